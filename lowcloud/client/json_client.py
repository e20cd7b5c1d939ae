"""A client of the services that speak JSON, for commands that must start fast: loading botocore takes half a second.

It signs requests as any AWS client does. Timestamps in answers are seconds since the epoch.
Source: AWS General Reference, "Signing AWS API requests"; Smithy, "AWS JSON 1.1 protocol".
"""

import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from http.client import HTTPConnection, HTTPException
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from lowcloud.home.settings import RootKey

TARGETS = {"lowcloud": "Lowcloud", "sagemaker": "SageMaker", "logs": "Logs_20140328"}
TIMEOUT_SECONDS = 60.0


class RequestRefusedError(Exception):
    """The server refused a request; `code` is its error code, such as ValidationException."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


class NoAnswerError(Exception):
    """The server does not answer."""


def send(
    endpoint: str,
    method: str,
    path: str,
    body: bytes = b"",
    headers: Mapping[str, str] = MappingProxyType({}),
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> tuple[int, bytes]:
    """Send a request to the server itself, whatever proxy the environment names, and return the status and the body.

    Raises NoAnswerError.
    """
    address = urlsplit(endpoint)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=timeout_seconds)
    try:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, HTTPException) as error:
        raise NoAnswerError(f"The server at {endpoint} does not answer: {error}.") from error
    finally:
        connection.close()


@dataclass(frozen=True)
class JsonClient:
    """Requests to the server at a URL, with the root key of its home."""

    endpoint: str
    region: str
    key: RootKey

    def call(self, service: str, operation: str, **members: Any) -> dict[str, Any]:
        """Perform an operation and return its answer. Raises RequestRefusedError and NoAnswerError."""
        address = urlsplit(self.endpoint)
        body = json.dumps(members).encode()
        headers = self._sign(service, operation, address.netloc, body)
        return _read(*send(self.endpoint, "POST", "/", body, headers))

    def pages(self, service: str, operation: str, **members: Any) -> Iterator[dict[str, Any]]:
        """Yield all pages of a List operation. Raises RequestRefusedError and NoAnswerError."""
        page = self.call(service, operation, **members)
        yield page
        while token := page.get("NextToken"):
            page = self.call(service, operation, **members, NextToken=token)
            yield page

    def _sign(self, service: str, operation: str, host: str, body: bytes) -> dict[str, str]:
        time = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        scope = f"{time[:8]}/{self.region}/{service}/aws4_request"
        headers = {
            "content-type": "application/x-amz-json-1.1",
            "host": host,
            "x-amz-date": time,
            "x-amz-target": f"{TARGETS[service]}.{operation}",
        }
        names, lines = ";".join(headers), "".join(f"{name}:{value}\n" for name, value in headers.items())
        request = f"POST\n/\n\n{lines}\n{names}\n{sha256(body).hexdigest()}"
        to_sign = f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{sha256(request.encode()).hexdigest()}"
        key = f"AWS4{self.key.secret_access_key}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
        credential = f"Credential={self.key.access_key_id}/{scope}"
        authorization = f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={signature}"
        return {**headers, "authorization": authorization}


def _read(status: int, text: bytes) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(text or b"{}")
    except ValueError as error:
        raise NoAnswerError(f"The server answered {status} with something that is not JSON.") from error
    if status < 300:
        return answer
    code = str(answer.get("__type", "")).rpartition("#")[2]
    message = answer.get("message") or answer.get("Message")
    raise RequestRefusedError(code, str(message or f"The server answered {status} {code}."))
