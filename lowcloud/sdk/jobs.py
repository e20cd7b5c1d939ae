"""A training job: its status, log, metrics and model, and the deployment of the model."""

import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, overload

from lowcloud.schemas.spelling import did_you_mean
from lowcloud.sdk import deployment, storage
from lowcloud.sdk.code.trainer import PROGRAM_PARAMETER, SOURCE_PARAMETER, read_hyperparameter
from lowcloud.sdk.connection import Cloud, connect
from lowcloud.sdk.display import progress, reports
from lowcloud.sdk.endpoints import Endpoint
from lowcloud.sdk.errors import InvalidInputError, JobFailedError, RefusedError, translate_errors
from lowcloud.sdk.lineage import Lineage, read_lineage
from lowcloud.sdk.log import LogReader

END_STATUSES = ("Completed", "Failed", "Stopped")
COMPONENT, COMPONENT_SUFFIX = ":experiment-trial-component/", "-aws-training-job"  # a job's entity in lineage
KIND = "training job"
# As SageMaker names the members that all kinds of jobs have.
SUMMARY_NAMES = {
    "JobArn": "TrainingJobArn",
    "JobStatus": "TrainingJobStatus",
    "StartTime": "TrainingStartTime",
    "EndTime": "TrainingEndTime",
}
EMPTY_ARCHIVE_BYTES = 1024  # larger ones have files
NOTHING_SAVED = "The script saved nothing: what it writes to the folder $SM_MODEL_DIR (/opt/ml/model) is the model."
NAMES_COMPARED = 100  # the newest
LAST_LINES = 15  # of the log, in the error of a failed job
FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.05, 0.5


class Job:
    """A training job of the cloud. Its properties are requested from the cloud each time they are read."""

    def __init__(self, cloud: Cloud, name: str, request: Mapping[str, Any] | None = None):
        """`request` is the request that created the job, if known."""
        self._cloud = cloud
        self._request = request
        self.name = name

    @property
    def status(self) -> str:
        """InProgress, Stopping, Completed, Failed or Stopped."""
        return str(self._summary()["TrainingJobStatus"])

    @property
    def stage(self) -> str:
        """Pending, Starting, Downloading, Training, Uploading ..., or the status in which it ended."""
        summary = self._summary()
        return str(summary.get("SecondaryStatus") or summary["TrainingJobStatus"])

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.status in END_STATUSES

    @property
    def seconds(self) -> float:
        """The seconds from its start to its end, or until now; 0 while it waits for capacity."""
        summary = self._summary()
        started: datetime | None = summary.get("TrainingStartTime")
        if started is None:
            return 0.0
        ended: datetime = summary.get("TrainingEndTime") or datetime.now(started.tzinfo)
        return (ended - started).total_seconds()

    @property
    def waiting_for(self) -> str | None:
        """What it waits for before it can start and which jobs use that, or None if it does not wait."""
        return self._summary().get("WaitingFor")

    @property
    def parameters(self) -> dict[str, Any]:
        """Its parameters; those of a built-in algorithm are strings."""
        given = {
            name: text for name, text in self._creation["HyperParameters"].items() if not name.startswith("sagemaker_")
        }
        return {name: read_hyperparameter(text) for name, text in given.items()} if self._has_own_code else given

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric, by name."""
        if self.is_over:
            return {one["MetricName"]: one["Value"] for one in self._describe().get("FinalMetricDataList", ())}
        return {name: points[-1][1] for name, points in self.metric_series.items()}

    @property
    def metric_series(self) -> dict[str, list[tuple[datetime, float]]]:
        """Times and values of each metric, by name, from CloudWatch: the mean of each second."""
        return reports.metric_series(self._cloud, self.name)

    @property
    def failure(self) -> str | None:
        """The reason of its failure, or None."""
        return self._describe().get("FailureReason") if self.status == "Failed" else None

    @property
    def artifact(self) -> str:
        """The s3:// URL of the model. Raises InvalidInputError if there is none, or none yet."""
        if not self.is_over:
            raise InvalidInputError(f"The job {self.name} has no model yet: it is {self.stage}.")
        description = self._describe()
        if found := self._stored_model(description):
            return found
        url = description["ModelArtifacts"]["S3ModelArtifacts"]
        reasons = {
            "Completed": f"The job {self.name} is completed, but its model {url} has been deleted; train again.",
            "Stopped": self._stopped_early(),
        }
        raise InvalidInputError(reasons.get(self.status, f"The job {self.name} has no model: it failed."))

    @property
    def has_model(self) -> bool:
        """Whether a model is stored: a job that was stopped early, for example, has none or an empty archive."""
        if not self.is_over or not self._stored_model(self._describe()):
            return False
        return not (self._has_own_code and self._saved_nothing())

    @property
    def lineage(self) -> Lineage:
        """What the model was made from, and what was made from it: data, code, jobs, models and endpoints."""
        arn = str(self._summary()["TrainingJobArn"])
        return read_lineage(self._cloud, arn.replace(":training-job/", COMPONENT) + COMPONENT_SUFFIX)

    @overload
    def logs(self, follow: Literal[False] = False) -> list[str]: ...

    @overload
    def logs(self, follow: Literal[True]) -> Iterator[str]: ...

    def logs(self, follow: bool = False) -> list[str] | Iterator[str]:
        """Return the lines of its log; with `follow`, yield lines as they arrive until the job ends."""
        return self._follow() if follow else LogReader(self._cloud, self.name).read_new_lines()

    def wait(self, quiet: bool = False) -> "Job":
        """Show its progress until it ends. Raises JobFailedError. Ctrl-C ends the waiting but not the job."""
        display = progress.quiet() if quiet else progress.for_standard_output(self.name, self._cloud.home_option)
        with display:
            for summary, lines in self._poll():
                display.show(summary, lines, lambda: self.metrics)
        if self.status == "Failed":
            raise JobFailedError(self.name, self.failure or "", self.logs()[-LAST_LINES:])
        if not quiet and self.status == "Completed" and self._has_own_code and self._saved_nothing():
            print(NOTHING_SAVED)
        return self

    def stop(self) -> "Job":
        """Request that the job stop, keeping what it has saved. A job that has ended is not changed."""
        try:
            with translate_errors():
                self._cloud.sagemaker.stop_training_job(TrainingJobName=self.name)
        except RefusedError:
            if not self.is_over:
                raise
        return self

    def download(self, folder: str | Path) -> list[Path]:
        """Unpack the model into a folder, and return its files. Raises InvalidInputError if there is no model."""
        return storage.unpack(self._cloud, self.artifact, Path(folder).expanduser())

    def deploy(
        self,
        name: str | None = None,
        *,
        instance_type: str = deployment.INSTANCE_TYPE,
        instances: int = 1,
        environment: Mapping[str, str] | None = None,
    ) -> Endpoint:
        """Wait for the job, and deploy its model to an endpoint, by default with the job's name.

        Raises JobFailedError, EndpointFailedError, and InvalidInputError if there is no model.
        """
        self.wait(quiet=True)
        artifact = self.artifact
        if self.status == "Stopped" and self._has_own_code and self._saved_nothing():  # its archive is empty
            raise InvalidInputError(self._stopped_early())
        container = deployment.container_of_job(self._cloud, self._describe(), artifact, environment or {})
        return deployment.deploy(self._cloud, name or self.name, container, instance_type, instances)

    def __repr__(self) -> str:
        return reports.to_text(self._facts())

    def _repr_html_(self) -> str:
        return reports.to_html(self._facts())

    def _facts(self) -> dict[str, Any]:
        summary = self._summary()
        facts: dict[str, Any] = {"job": self.name, "status": summary["TrainingJobStatus"]}
        facts["seconds"] = round(self.seconds, 1)
        if summary["TrainingJobStatus"] in END_STATUSES:
            description = self._describe()
            facts["failure"] = description.get("FailureReason")
            facts["artifact"] = self._stored_model(description)
            facts["parameters"] = self.parameters
        else:
            facts["stage"] = summary.get("WaitingFor") or summary.get("SecondaryStatus")
        facts["metrics"] = self.metrics
        return {name: fact for name, fact in facts.items() if fact}

    def _stopped_early(self) -> str:
        return f"The job {self.name} was stopped before it saved a model."

    def _stored_model(self, description: Mapping[str, Any]) -> str | None:
        """Return where the model is stored, or None: a description names the place whether or not there is one."""
        url: str = description["ModelArtifacts"]["S3ModelArtifacts"]
        bucket, _, key = url.removeprefix("s3://").partition("/")
        with translate_errors():
            listed = self._cloud.s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)  # a folder if uncompressed
        return url if listed["KeyCount"] else None

    def _poll(self) -> Iterator[tuple[Mapping[str, Any], list[str]]]:
        """Yield the job's summary and its new log lines repeatedly until it ends."""
        log, pause = LogReader(self._cloud, self.name), FIRST_POLL_SECONDS
        while True:
            summary = self._summary()  # before reading lines, so that none is missed at the end
            yield summary, log.read_new_lines()
            if summary["TrainingJobStatus"] in END_STATUSES:
                return
            time.sleep(pause)
            pause = min(LONGEST_POLL_SECONDS, pause * 1.2)

    def _follow(self) -> Iterator[str]:
        for _summary, lines in self._poll():
            yield from lines

    def _summary(self) -> Mapping[str, Any]:
        # From the list, because Describe of a new job waits for its end.
        with translate_errors():
            found = self._cloud.lowcloud.list_jobs(JobName=self.name)["Jobs"]
        job = next((one for one in found if one["JobKind"] == KIND), None)
        if job is None:
            raise InvalidInputError(f"There is no training job {self.name!r}. {self._meant()}")
        return {SUMMARY_NAMES.get(member, member): value for member, value in job.items()}

    def _meant(self) -> str:
        """Return the job that was perhaps meant, or how to list them."""
        with translate_errors():
            found = self._cloud.lowcloud.list_jobs(MaxResults=NAMES_COMPARED)["Jobs"]
        names = (one["JobName"] for one in found if one["JobKind"] == KIND)
        return did_you_mean(self.name, names, f"`lowcloud jobs{self._cloud.home_option}` lists the existing ones.")

    def _describe(self) -> Mapping[str, Any]:
        with translate_errors():
            return self._cloud.sagemaker.describe_training_job(TrainingJobName=self.name)  # type: ignore[no-any-return]

    def _saved_nothing(self) -> bool:
        """Return whether the archive of the model has no files."""
        bucket, key = storage.parse_url(self.artifact)
        with translate_errors():
            size = self._cloud.s3.head_object(Bucket=bucket, Key=key)["ContentLength"]
        return size <= EMPTY_ARCHIVE_BYTES and not storage.list_archive(self._cloud, self.artifact)

    @cached_property
    def _creation(self) -> Mapping[str, Any]:
        """The request that created the job, or its description, which has the same members."""
        return self._request or self._describe()

    @property
    def _has_own_code(self) -> bool:
        return {PROGRAM_PARAMETER, SOURCE_PARAMETER} <= set(self._creation["HyperParameters"])


def job(name: str, *, home: str | Path | None = None) -> Job:
    """Return the training job with this name. Raises InvalidInputError if there is none."""
    found = Job(connect(home), name)
    found._summary()
    return found
