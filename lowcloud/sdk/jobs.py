"""A training job: how it stands, what it prints and measures, what came of it, and the endpoint made from that."""

import json
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, overload

from lowcloud.sdk import deployment, progress, reports, storage
from lowcloud.sdk.algorithm import PROGRAM, SOURCE
from lowcloud.sdk.cloud import Cloud, connect
from lowcloud.sdk.endpoints import Endpoint
from lowcloud.sdk.errors import InvalidInputError, JobFailedError, RefusedError, asking
from lowcloud.sdk.lineage import Lineage, read_lineage
from lowcloud.sdk.log import Log

ENDS = ("Completed", "Failed", "Stopped")
COMPONENT, COMPONENT_ENDING = ":experiment-trial-component/", "-aws-training-job"  # what lineage knows a job as
LAST_LINES = 15  # of the log, told with a failure
FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.05, 0.5


class Job:
    """A training job of the cloud, by its name. Everything is asked of the cloud when it is asked here."""

    def __init__(self, cloud: Cloud, name: str, request: Mapping[str, Any] | None = None):
        """`request` is what it was made by, where that is known."""
        self._cloud = cloud
        self._request = request
        self.name = name

    @property
    def status(self) -> str:
        """InProgress, Stopping, Completed, Failed or Stopped."""
        return str(self._summary()["TrainingJobStatus"])

    @property
    def stage(self) -> str:
        """What it is doing: Pending, Starting, Downloading, Training, Uploading ... or how it has ended."""
        summary = self._summary()
        return str(summary.get("SecondaryStatus") or summary["TrainingJobStatus"])

    @property
    def is_over(self) -> bool:
        return self.status in ENDS

    @property
    def seconds(self) -> float:
        """From its creation to its end, or until now."""
        summary = self._summary()
        created: datetime = summary["CreationTime"]
        ended: datetime = summary.get("TrainingEndTime") or datetime.now(created.tzinfo)
        return (ended - created).total_seconds()

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that it was given; of a built-in as texts."""
        given = {
            name: text for name, text in self._given["HyperParameters"].items() if not name.startswith("sagemaker_")
        }
        return {name: json.loads(text) for name, text in given.items()} if self._has_own_code else given

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric, by name."""
        if self.is_over:
            return {one["MetricName"]: one["Value"] for one in self._describe().get("FinalMetricDataList", ())}
        return {name: points[-1][1] for name, points in self.metric_series.items()}

    @property
    def metric_series(self) -> dict[str, list[tuple[datetime, float]]]:
        """Times and values of each metric, by name, as CloudWatch tells them: the mean of each second."""
        return reports.metric_series(self._cloud, self.name)

    @property
    def failure(self) -> str | None:
        """Why it has failed; None where it has not."""
        return self._describe().get("FailureReason") if self.status == "Failed" else None

    @property
    def artifact(self) -> str:
        """Where the model lies: an s3:// URL. Raises InvalidInputError where there is none, or none yet."""
        found = self._describe().get("ModelArtifacts", {}).get("S3ModelArtifacts") if self.is_over else None
        if not found:
            raise InvalidInputError(f"The job {self.name} has no model: it is {self.stage}.")
        return str(found)

    @property
    def lineage(self) -> Lineage:
        """What the model was made from and what was made from it: data, code, jobs, models and endpoints."""
        arn = str(self._summary()["TrainingJobArn"])
        return read_lineage(self._cloud, arn.replace(":training-job/", COMPONENT) + COMPONENT_ENDING)

    @overload
    def logs(self, follow: Literal[False] = False) -> list[str]: ...

    @overload
    def logs(self, follow: Literal[True]) -> Iterator[str]: ...

    def logs(self, follow: bool = False) -> list[str] | Iterator[str]:
        """The lines that it has printed; with `follow` each as it comes, until the job is over."""
        return self._follow() if follow else Log(self._cloud, self.name).new_lines()

    def wait(self, quiet: bool = False) -> "Job":
        """Show how it goes until it is over. Raises JobFailedError; leaving early by Ctrl-C leaves the job as it is."""
        shown = progress.quiet() if quiet else progress.for_this_output(self.name)
        with shown:
            for summary, lines in self._turns():
                shown.show(summary, lines, lambda: self.metrics)
        if self.status == "Failed":
            raise JobFailedError(self.name, self.failure or "", self.logs()[-LAST_LINES:])
        return self

    def stop(self) -> "Job":
        """Ask it to end; what it has saved is kept. Nothing happens where it is over."""
        try:
            with asking():
                self._cloud.sagemaker.stop_training_job(TrainingJobName=self.name)
        except RefusedError:
            if not self.is_over:
                raise
        return self

    def download(self, folder: str | Path) -> list[Path]:
        """Unpack the model into a folder; its files. Raises InvalidInputError where there is no model."""
        return storage.unpack(self._cloud, self.artifact, Path(folder).expanduser())

    def deploy(
        self,
        name: str | None = None,
        *,
        instance_type: str = deployment.INSTANCE_TYPE,
        instances: int = 1,
        environment: Mapping[str, str] | None = None,
    ) -> Endpoint:
        """Serve the model at an endpoint of this name, once the job is over.

        Raises JobFailedError, InvalidInputError where there is no model, and EndpointFailed.
        """
        self.wait(quiet=True)
        described = self._describe()
        served = deployment.of_job(self._cloud, described, self.artifact, environment or {})
        return deployment.deploy(self._cloud, name or self.name, served, instance_type, instances)

    def __repr__(self) -> str:
        return reports.text(self._facts())

    def _repr_html_(self) -> str:
        return reports.html(self._facts())

    def _facts(self) -> dict[str, Any]:
        summary = self._summary()
        facts: dict[str, Any] = {"job": self.name, "status": summary["TrainingJobStatus"]}
        facts["seconds"] = round(self.seconds, 1)
        if summary["TrainingJobStatus"] in ENDS:
            described = self._describe()
            facts["failure"] = described.get("FailureReason")
            facts["artifact"] = described.get("ModelArtifacts", {}).get("S3ModelArtifacts")
            facts["parameters"] = self.parameters
        else:
            facts["stage"] = summary.get("SecondaryStatus")
        facts["metrics"] = self.metrics
        return {name: fact for name, fact in facts.items() if fact}

    def _turns(self) -> Iterator[tuple[Mapping[str, Any], list[str]]]:
        """How it stands and which lines are new, again and again until it is over."""
        log, pause = Log(self._cloud, self.name), FIRST_POLL_SECONDS
        while True:
            summary = self._summary()  # before the lines, so that none is missed at the end
            yield summary, log.new_lines()
            if summary["TrainingJobStatus"] in ENDS:
                return
            time.sleep(pause)
            pause = min(LONGEST_POLL_SECONDS, pause * 1.2)

    def _follow(self) -> Iterator[str]:
        for _summary, lines in self._turns():
            yield from lines

    def _summary(self) -> Mapping[str, Any]:
        # From the list, since a Describe of a young job waits for its end.
        with asking():
            pages = self._cloud.sagemaker.get_paginator("list_training_jobs").paginate(NameContains=self.name)
            found = (one for page in pages for one in page["TrainingJobSummaries"])
            summary = next((one for one in found if one["TrainingJobName"] == self.name), None)
        if summary is None:
            raise InvalidInputError(f"There is no training job {self.name!r}; `lowcloud jobs` lists those there are.")
        return summary  # type: ignore[no-any-return]

    def _describe(self) -> Mapping[str, Any]:
        with asking():
            return self._cloud.sagemaker.describe_training_job(TrainingJobName=self.name)  # type: ignore[no-any-return]

    @cached_property
    def _given(self) -> Mapping[str, Any]:
        """What does not change of a job."""
        return self._request or self._describe()

    @property
    def _has_own_code(self) -> bool:
        return {PROGRAM, SOURCE} <= set(self._given["HyperParameters"])


def job(name: str, *, home: str | Path | None = None) -> Job:
    """The training job of this name, whoever started it. Raises InvalidInputError where there is none."""
    found = Job(connect(home), name)
    found._summary()
    return found
