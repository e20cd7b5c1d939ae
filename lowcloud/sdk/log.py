"""The lines that a job or an endpoint prints, from where they were last read."""

from typing import Any

from lowcloud.sdk.cloud import Cloud
from lowcloud.sdk.errors import RefusedError, asking

JOBS = "/aws/sagemaker/TrainingJobs"
ENDPOINTS = "/aws/sagemaker/Endpoints"


class Log:
    """A place in the log of one job, or of one endpoint."""

    def __init__(self, cloud: Cloud, name: str, is_endpoint: bool = False):
        self._cloud = cloud
        if is_endpoint:
            self._place = {"logGroupName": f"{ENDPOINTS}/{name}"}
        else:
            self._place = {"logGroupName": JOBS, "logStreamNamePrefix": f"{name}/"}
        self._token = ""

    def new_lines(self) -> list[str]:
        """What was printed since the last time, oldest first."""
        lines: list[str] = []
        while page := self._page():
            for event in page["events"]:
                lines.append(event["message"])
                self._token = event["eventId"]
            if "nextToken" not in page:
                break
        return lines

    def _page(self) -> Any:
        asked = {"nextToken": self._token} if self._token else {}
        try:
            with asking():
                return self._cloud.logs.filter_log_events(**self._place, **asked)
        except RefusedError as refusal:
            if refusal.code == "ResourceNotFoundException":
                return None  # nothing has been printed yet
            raise
