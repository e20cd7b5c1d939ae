"""An endpoint: predictions of a deployed model."""

import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lowcloud.sdk import columns, reports, rows
from lowcloud.sdk.algorithm import PROGRAM_FILE
from lowcloud.sdk.cloud import Cloud, connect
from lowcloud.sdk.columns import Columns
from lowcloud.sdk.data import Style
from lowcloud.sdk.errors import EndpointFailedError, InvalidInputError, PredictionFailedError, RefusedError, asking
from lowcloud.sdk.log import Log
from lowcloud.sdk.rows import Rows

POLL_SECONDS = 0.1
LAST_LINES = 15
LOG_SECONDS = 2.0  # after which what a replica has printed is in its log
IS_GONE = ("ould not find", "is being deleted")
PROGRAM_VARIABLE = "SAGEMAKER_PROGRAM"


class Endpoint:
    """A model that answers. Within a `with` it is deleted at the end."""

    def __init__(self, cloud: Cloud, name: str, style: Style, columns_url: str | None = None):
        """`columns_url` is where the columns that it was trained on are written down."""
        self._cloud = cloud
        self._style = style
        self._columns_url = columns_url
        self.name = name

    @property
    def status(self) -> str:
        """Creating, InService, Deleting or Failed."""
        return str(self._describe()["EndpointStatus"])

    def predict(self, data: Rows) -> Any:
        """What the model predicts for each row: an array, or a list where the answers make none.

        `data` has rows of features: a DataFrame, an array (rows, features), a list of rows, or a dict of columns. A
        built-in that was trained on named columns finds them by name, in any order and whether the label is there or
        not; rows without names are in the order of training, without the label. A classifier among the built-ins
        answers with labels, every other one with scores. Raises PredictionFailedError, and InvalidInputError for rows
        that cannot be sent.
        """
        asked = list(rows.requests(data, self._style, self._columns))
        answers = rows.answer([self.invoke(body, kind, rows.ACCEPT[self._style]) for body, kind in asked])
        rows.check_count(asked, answers)
        return answers

    def invoke(self, body: bytes, content_type: str, accept: str = "*/*") -> tuple[bytes, str]:
        """Ask in the model's own format; the answer's body and content type. Raises PredictionFailedError."""
        try:
            with asking():
                told = self._cloud.runtime.invoke_endpoint(
                    EndpointName=self.name, Body=body, ContentType=content_type, Accept=accept
                )
                return told["Body"].read(), told.get("ContentType", "")
        except RefusedError as refusal:
            lines = self._last_lines() if refusal.code == "ModelError" else []
            raise PredictionFailedError(f"The endpoint {self.name} did not answer: {refusal}{_end(lines)}") from None

    def logs(self) -> list[str]:
        """The lines that its replicas have printed."""
        return Log(self._cloud, self.name, is_endpoint=True).new_lines()

    def wait(self) -> "Endpoint":
        """Until it is in service. Raises EndpointFailedError."""
        while (described := self._describe())["EndpointStatus"] == "Creating":
            time.sleep(POLL_SECONDS)
        if described["EndpointStatus"] != "InService":
            reason = described.get("FailureReason", described["EndpointStatus"])
            raise EndpointFailedError(f"The endpoint {self.name} failed: {reason}{_end(self.logs())}")
        return self

    def delete(self) -> None:
        """Take it away with its configuration and its model, and wait until it is gone; the artifact stays.

        Nothing happens where it is gone already.
        """
        model = self._models()
        for operation, given in (
            ("delete_endpoint", {"EndpointName": self.name}),
            ("delete_endpoint_config", {"EndpointConfigName": self.name}),
            *(("delete_model", {"ModelName": name}) for name in model),
        ):
            try:
                with asking():
                    getattr(self._cloud.sagemaker, operation)(**given)
            except RefusedError as refusal:
                if not any(words in str(refusal) for words in IS_GONE):
                    raise
        while self._exists():
            time.sleep(POLL_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.delete()

    def __repr__(self) -> str:
        return reports.text(self._facts())

    def _repr_html_(self) -> str:
        return reports.html(self._facts())

    def _facts(self) -> dict[str, Any]:
        if not self._exists():
            return {"endpoint": self.name, "status": "Deleted"}
        described = self._describe()
        facts = {
            "endpoint": self.name,
            "status": described["EndpointStatus"],
            "failure": described.get("FailureReason"),
        }
        return {name: fact for name, fact in facts.items() if fact}

    @cached_property
    def _columns(self) -> Columns | None:
        return columns.read(self._cloud, self._columns_url) if self._columns_url else None

    def _exists(self) -> bool:
        try:
            self._describe()
        except RefusedError as refusal:
            if any(words in str(refusal) for words in IS_GONE):
                return False
            raise
        return True

    def _describe(self) -> Mapping[str, Any]:
        with asking():
            return self._cloud.sagemaker.describe_endpoint(EndpointName=self.name)  # type: ignore[no-any-return]

    def _last_lines(self) -> list[str]:
        """The end of the log, once what was just printed is there, or could be."""
        log = Log(self._cloud, self.name, is_endpoint=True)
        lines, deadline = log.new_lines(), time.monotonic() + LOG_SECONDS
        while not (more := log.new_lines()) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return lines + more

    def _models(self) -> list[str]:
        try:
            with asking():
                found = self._cloud.sagemaker.describe_endpoint_config(EndpointConfigName=self.name)
        except RefusedError:
            return []
        return [variant["ModelName"] for variant in found["ProductionVariants"]]


def endpoint(name: str, *, home: str | Path | None = None) -> Endpoint:
    """The endpoint of this name, whoever made it. Raises InvalidInputError where there is none."""
    cloud = connect(home)
    try:
        with asking():
            described = cloud.sagemaker.describe_endpoint(EndpointName=name)
            made_of = cloud.sagemaker.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
            model = cloud.sagemaker.describe_model(ModelName=made_of["ProductionVariants"][0]["ModelName"])
    except RefusedError as refusal:
        raise InvalidInputError(f"There is no endpoint {name!r} to be asked: {refusal}") from None
    return of_container(cloud, name, model["PrimaryContainer"])


def of_container(cloud: Cloud, name: str, container: Mapping[str, Any]) -> Endpoint:
    """The endpoint of this name that serves the model of a container."""
    return Endpoint(cloud, name, style_of(container), container.get("Environment", {}).get(columns.VARIABLE))


def _end(lines: list[str]) -> str:
    return "\n  ".join(["\nThe end of its log:", *lines[-LAST_LINES:]]) if lines else ""


def style_of(container: Mapping[str, Any]) -> Style:
    """How the model of a container is asked."""
    from lowcloud.catalog import algorithms

    environment = container.get("Environment", {})
    program = environment.get(PROGRAM_VARIABLE)
    if program == PROGRAM_FILE:
        return Style.FUNCTION
    is_built_in = algorithms.resolve(container["Image"]) is not None and program is None
    return Style.BUILT_IN if is_built_in else Style.SCRIPT
