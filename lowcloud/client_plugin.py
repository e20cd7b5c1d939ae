"""A botocore plugin that keeps every request of a wired client in this cloud.

SDKs write some hosts into their code (SageMaker's asks sts.REGION.amazonaws.com whatever AWS_ENDPOINT_URL says). The
plugin moves every request bound for AWS to $AWS_ENDPOINT_URL just before it is sent. `lowcloud run` copies this file to
where the user's interpreter finds it, so it imports nothing of Lowcloud and runs on every Python that botocore does.
"""

import os
from typing import Any
from urllib.parse import urlsplit, urlunsplit

AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


def initialize_client_plugin(client: Any) -> None:
    """Called by botocore for every client it makes (BOTOCORE_EXPERIMENTAL__PLUGINS)."""
    client.meta.events.register_first("before-send.*.*", move_to_lowcloud)


def move_to_lowcloud(request: Any, **_: Any) -> None:
    """Send a request for AWS to this cloud instead; the signature stays true since the Host header does."""
    parts = urlsplit(request.url)
    if not (parts.hostname or "").endswith(AWS_DOMAINS):
        return
    endpoint = urlsplit(os.environ["AWS_ENDPOINT_URL"])
    request.headers["Host"] = parts.netloc
    request.url = urlunsplit((endpoint.scheme, endpoint.netloc, parts.path, parts.query, ""))
