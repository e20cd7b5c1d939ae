"""Reads the log of a job or an endpoint, continuing where the last read ended."""

from typing import Any

from lowcloud.sdk.connection import Cloud
from lowcloud.sdk.errors import RefusedError, translate_errors

JOBS = "/aws/sagemaker/TrainingJobs"
ENDPOINTS = "/aws/sagemaker/Endpoints"


class LogReader:
    """A position in the log of one job or endpoint."""

    def __init__(self, cloud: Cloud, name: str, is_endpoint: bool = False):
        self._cloud = cloud
        if is_endpoint:
            self._filter = {"logGroupName": f"{ENDPOINTS}/{name}"}
        else:
            self._filter = {"logGroupName": JOBS, "logStreamNamePrefix": f"{name}/"}
        self._token = ""

    def read_new_lines(self) -> list[str]:
        """Return the lines printed since the last call, oldest first."""
        lines: list[str] = []
        while page := self._page():
            for event in page["events"]:
                lines.append(event["message"])
                self._token = event["eventId"]
            if "nextToken" not in page:
                break
        return lines

    def _page(self) -> Any:
        position = {"nextToken": self._token} if self._token else {}
        try:
            with translate_errors():
                return self._cloud.logs.filter_log_events(**self._filter, **position)
        except RefusedError as refusal:
            if refusal.code == "ResourceNotFoundException":
                return None  # nothing has been printed yet
            raise
