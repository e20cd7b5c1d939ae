"""A botocore plugin that redirects all AWS requests of a program to this cloud, and shortens the polling of SDKs.

Some SDKs hard-code hosts (SageMaker's calls sts.REGION.amazonaws.com whatever AWS_ENDPOINT_URL says): the plugin
redirects every request for AWS to $AWS_ENDPOINT_URL just before it is sent. SDKs also sleep 5 to 120 seconds between
polls of a job, SDK 2.x even before the first one: the plugin shortens those sleeps. `lowcloud run` copies this file to
a folder on the program's PYTHONPATH, so it imports nothing of Lowcloud and runs on every Python that botocore supports.
"""

import os
import sys
import time
from typing import Any
from urllib.parse import urlsplit, urlunsplit

AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
POLLING_MODULES = ("sagemaker.session", "sagemaker.core.resources", "botocore.waiter")
LONGEST_SLEEP_SECONDS = 0.2


class ShortSleeps:
    """The time module with a `sleep` that is limited to LONGEST_SLEEP_SECONDS."""

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    @staticmethod
    def sleep(seconds: float) -> None:
        """Sleep for this long, or LONGEST_SLEEP_SECONDS if that is less."""
        time.sleep(min(seconds, LONGEST_SLEEP_SECONDS))


def initialize_client_plugin(client: Any) -> None:
    """Called by botocore for every client that it creates (BOTOCORE_EXPERIMENTAL__PLUGINS)."""
    client.meta.events.register_first("before-send.*.*", redirect_to_lowcloud)
    for name in POLLING_MODULES:
        module: Any = sys.modules.get(name)
        if getattr(module, "time", None) is time:
            module.time = ShortSleeps()


def redirect_to_lowcloud(request: Any, **_: Any) -> None:
    """Redirect a request for AWS to this cloud. Its signature stays valid, because the Host header does not change."""
    parts = urlsplit(request.url)
    if not (parts.hostname or "").endswith(AWS_DOMAINS):
        return
    endpoint = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    request.headers["Host"] = parts.netloc
    request.url = urlunsplit((endpoint.scheme, endpoint.netloc, parts.path, parts.query, ""))
