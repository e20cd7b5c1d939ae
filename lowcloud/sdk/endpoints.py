"""An endpoint: predictions of a deployed model."""

import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lowcloud.client.messages import names_nothing
from lowcloud.schemas.spelling import did_you_mean
from lowcloud.sdk.code.trainer import PROGRAM_FILE, WITHOUT_MISSING_VALUES
from lowcloud.sdk.connection import Cloud, connect
from lowcloud.sdk.data import answers, columns, rows
from lowcloud.sdk.data.channels import ModelKind
from lowcloud.sdk.data.columns import Columns
from lowcloud.sdk.data.reading import Reading, to_reading
from lowcloud.sdk.data.rows import Rows
from lowcloud.sdk.display import reports
from lowcloud.sdk.errors import (
    EndpointFailedError,
    InvalidInputError,
    PredictionFailedError,
    RefusedError,
    translate_errors,
)
from lowcloud.sdk.log import LogReader

POLL_SECONDS = 0.1
LAST_LINES = 15
NAMES_COMPARED = 100  # the newest
SERVER_ERROR = 500  # the first HTTP status of errors that are not the request's
LOG_SECONDS = 2.0  # after which a printed line is in the log
PROGRAM_VARIABLE = "SAGEMAKER_PROGRAM"


class Endpoint:
    """A deployed model. As a context manager, it is deleted at the end of the `with` statement."""

    def __init__(
        self,
        cloud: Cloud,
        name: str,
        model_kind: ModelKind,
        columns_url: str | None = None,
        *,
        allows_missing: bool = True,
    ):
        """`columns_url` is the URL of the columns that the model was trained on; `allows_missing`: in its features."""
        self._cloud = cloud
        self._model_kind = model_kind
        self._columns_url = columns_url
        self._allows_missing = allows_missing
        self.name = name

    @property
    def status(self) -> str:
        """Creating, InService, Deleting or Failed."""
        return str(self._describe()["EndpointStatus"])

    def predict(
        self, data: Rows, *, probabilities: bool = False, reading: Mapping[str, Any] | Reading | None = None
    ) -> Any:
        """Return the prediction for each row: an array, or a list if they do not form one.

        `data` has rows of features: a DataFrame, an array (rows, features), a list of rows, a dict of columns, or the
        path of a file (CSV, TSV, JSON, Parquet; `reading` as in train()). A built-in algorithm trained on named columns
        matches them by name, in any order, and ignores the label column; rows without column names must be in
        training order, without the label.

        Built-in classifiers return labels as spelled in the training data, other built-in algorithms numbers. With
        `probabilities`, a classifier returns a table with a column for each class, named by its label: of pandas if
        `data` is, of polars for polars and files, otherwise a dict of arrays.

        Raises PredictionFailedError, and InvalidInputError for rows that cannot be sent.
        """
        columns = self._columns
        requests = list(
            rows.to_requests(data, self._model_kind, columns, to_reading(reading), allows_missing=self._allows_missing)
        )
        accept = rows.ACCEPT[self._model_kind]
        responses = [self.invoke(body, content_type, accept) for body, content_type in requests]
        if probabilities:
            return answers.to_probabilities(responses, columns, rows.library_of(data))
        predictions = answers.to_predictions(responses, columns)
        rows.check_count(requests, predictions)
        return predictions

    def invoke(self, body: bytes, content_type: str, accept: str = "*/*") -> tuple[bytes, str]:
        """Send a request in the model's own format. Returns the response's body and content type.

        Raises PredictionFailedError.
        """
        try:
            with translate_errors():
                response = self._cloud.runtime.invoke_endpoint(
                    EndpointName=self.name, Body=body, ContentType=content_type, Accept=accept
                )
                return response["Body"].read(), response.get("ContentType", "")
        except RefusedError as refusal:
            lines = self._last_lines() if refusal.code == "ModelError" else []
            did = "refused the request" if refusal.status < SERVER_ERROR else "did not answer"
            raise PredictionFailedError(f"The endpoint {self.name} {did}: {refusal}{_log_end(lines)}") from None

    def logs(self) -> list[str]:
        """Return the lines that its replicas have printed."""
        return LogReader(self._cloud, self.name, is_endpoint=True).read_new_lines()

    def wait(self) -> "Endpoint":
        """Wait until it is in service. Raises EndpointFailedError."""
        while (description := self._describe())["EndpointStatus"] == "Creating":
            time.sleep(POLL_SECONDS)
        if description["EndpointStatus"] != "InService":
            reason = description.get("FailureReason", description["EndpointStatus"])
            raise EndpointFailedError(f"The endpoint {self.name} failed: {reason}{_log_end(self.logs())}")
        return self

    def delete(self) -> None:
        """Delete it with its configuration and its model, and wait until it is gone. The model artifact is kept.

        An endpoint that has already been deleted is not an error.
        """
        models = self._models()
        for operation, parameters in (
            ("delete_endpoint", {"EndpointName": self.name}),
            ("delete_endpoint_config", {"EndpointConfigName": self.name}),
            *(("delete_model", {"ModelName": name}) for name in models),
        ):
            try:
                with translate_errors():
                    getattr(self._cloud.sagemaker, operation)(**parameters)
            except RefusedError as refusal:
                if not names_nothing(refusal.code, str(refusal)):
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
        return reports.to_text(self._facts())

    def _repr_html_(self) -> str:
        return reports.to_html(self._facts())

    def _facts(self) -> dict[str, Any]:
        if not self._exists():
            return {"endpoint": self.name, "status": "Deleted"}
        description = self._describe()
        facts = {
            "endpoint": self.name,
            "status": description["EndpointStatus"],
            "failure": description.get("FailureReason"),
        }
        return {name: fact for name, fact in facts.items() if fact}

    @cached_property
    def _columns(self) -> Columns | None:
        return columns.load(self._cloud, self._columns_url) if self._columns_url else None

    def _exists(self) -> bool:
        try:
            self._describe()
        except RefusedError as refusal:
            if names_nothing(refusal.code, str(refusal)):
                return False
            raise
        return True

    def _describe(self) -> Mapping[str, Any]:
        with translate_errors():
            return self._cloud.sagemaker.describe_endpoint(EndpointName=self.name)  # type: ignore[no-any-return]

    def _last_lines(self) -> list[str]:
        """Return the log, after waiting until the newest lines are in it."""
        log = LogReader(self._cloud, self.name, is_endpoint=True)
        lines, deadline = log.read_new_lines(), time.monotonic() + LOG_SECONDS
        while not (more := log.read_new_lines()) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return lines + more

    def _models(self) -> list[str]:
        try:
            with translate_errors():
                found = self._cloud.sagemaker.describe_endpoint_config(EndpointConfigName=self.name)
        except RefusedError:
            return []
        return [variant["ModelName"] for variant in found["ProductionVariants"]]


def endpoint(name: str, *, home: str | Path | None = None) -> Endpoint:
    """Return the endpoint with this name. Raises InvalidInputError if there is none."""
    cloud = connect(home)
    try:
        with translate_errors():
            description = cloud.sagemaker.describe_endpoint(EndpointName=name)
            configuration_name = description["EndpointConfigName"]
            configuration = cloud.sagemaker.describe_endpoint_config(EndpointConfigName=configuration_name)
            model = cloud.sagemaker.describe_model(ModelName=configuration["ProductionVariants"][0]["ModelName"])
    except RefusedError as refusal:
        hint = _meant(cloud, name) if names_nothing(refusal.code, str(refusal)) else str(refusal)
        raise InvalidInputError(f"There is no endpoint {name!r} in service. {hint}") from None
    return endpoint_of_container(cloud, name, model["PrimaryContainer"])


def _meant(cloud: Cloud, name: str) -> str:
    """Return the endpoint that was perhaps meant, or how to list them."""
    with translate_errors():
        found = cloud.sagemaker.list_endpoints(MaxResults=NAMES_COMPARED)["Endpoints"]
    listing = f"`lowcloud endpoints{cloud.home_option}` lists them."
    return did_you_mean(name, (one["EndpointName"] for one in found), listing)


def endpoint_of_container(cloud: Cloud, name: str, container: Mapping[str, Any]) -> Endpoint:
    """Return the endpoint with this name, which serves the model of a container."""
    from lowcloud.catalog import algorithms

    algorithm = algorithms.resolve(container["Image"])
    return Endpoint(
        cloud,
        name,
        model_kind_of(container),
        container.get("Environment", {}).get(columns.VARIABLE),
        allows_missing=algorithm is None or algorithm.name not in WITHOUT_MISSING_VALUES,
    )


def _log_end(lines: list[str]) -> str:
    return "\n  ".join(["\nThe last lines of its log:", *lines[-LAST_LINES:]]) if lines else ""


def model_kind_of(container: Mapping[str, Any]) -> ModelKind:
    """Return what a container serves: a built-in algorithm, a script or a function."""
    from lowcloud.catalog import algorithms

    environment = container.get("Environment", {})
    program = environment.get(PROGRAM_VARIABLE)
    if program == PROGRAM_FILE:
        return ModelKind.FUNCTION
    is_built_in = algorithms.resolve(container["Image"]) is not None and program is None
    return ModelKind.BUILT_IN if is_built_in else ModelKind.SCRIPT
