"""A botocore plugin that keeps every request of a wired client in this cloud, and spares it the waits for a far one.

SDKs write some hosts into their code (SageMaker's asks sts.REGION.amazonaws.com whatever AWS_ENDPOINT_URL says): the
plugin moves every request bound for AWS to $AWS_ENDPOINT_URL just before it is sent. And they sleep 5 to 120 seconds
between looks at a job, SDK 2.x even before the first: the plugin cuts those sleeps short. `lowcloud run` copies this
file to where the user's interpreter finds it, so it imports nothing of Lowcloud and runs on every Python botocore does.
"""

import os
import sys
import time
from typing import Any
from urllib.parse import urlsplit, urlunsplit

AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
WAITING_MODULES = ("sagemaker.session", "sagemaker.core.resources", "botocore.waiter")
LONGEST_SLEEP_SECONDS = 0.2


class ShortSleeps:
    """The time module, but for a `sleep` that is over soon."""

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    @staticmethod
    def sleep(seconds: float) -> None:
        """Sleep for as long as asked, or LONGEST_SLEEP_SECONDS."""
        time.sleep(min(seconds, LONGEST_SLEEP_SECONDS))


def initialize_client_plugin(client: Any) -> None:
    """Called by botocore for every client it makes (BOTOCORE_EXPERIMENTAL__PLUGINS)."""
    client.meta.events.register_first("before-send.*.*", move_to_lowcloud)
    for name in WAITING_MODULES:
        module: Any = sys.modules.get(name)
        if getattr(module, "time", None) is time:
            module.time = ShortSleeps()


def move_to_lowcloud(request: Any, **_: Any) -> None:
    """Send a request for AWS to this cloud instead; the signature stays true since the Host header does."""
    parts = urlsplit(request.url)
    if not (parts.hostname or "").endswith(AWS_DOMAINS):
        return
    endpoint = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    request.headers["Host"] = parts.netloc
    request.url = urlunsplit((endpoint.scheme, endpoint.netloc, parts.path, parts.query, ""))
