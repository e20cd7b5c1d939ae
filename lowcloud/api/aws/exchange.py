"""Exchanges: one request on its way to its response, and the facts known of it so far."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.protocol.routing import DEFAULT_DIALECT, Dialect, Target
from lowcloud.api.http.messages import HttpRequest, HttpResponse
from lowcloud.core.identity.access import AccessDeniedError, Permission
from lowcloud.core.identity.callers import Caller


@dataclass(slots=True)
class Exchange:
    """The facts known of a request. Errors and both logs use them, at whatever point the request fails."""

    received: HttpRequest  # as the client sent it
    request: HttpRequest  # as it is parsed: a front hook may turn, say, parameters of the URL into headers
    dialect: Dialect = DEFAULT_DIALECT
    target: Target | None = None
    caller: Caller | None = None
    claimed_key_id: str = ""  # the access key that it claims to be signed with
    parsed: Mapping[str, Any] | None = None  # the operation's input
    permissions: Sequence[Permission] = ()  # that the caller has, and the operation needed
    refused_parts: Sequence[AccessDeniedError] = ()  # why items of a request for several are left out
    failure: Exception | None = None  # what ended the request
    error: AwsError | None = None  # the error response for it
    # Set by a front hook whose sender expects the result in another form than the operation's.
    adapt_response: Callable[[HttpResponse], HttpResponse] | None = None
    started: float = field(default_factory=time.perf_counter)

    @property
    def service(self) -> str:
        """botocore's name of the service."""
        return self.target.service.name if self.target is not None else self.dialect.services[0]
