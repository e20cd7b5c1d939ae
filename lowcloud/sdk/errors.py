"""The errors of the Python SDK. Each message says what to do, and hides the internals of the AWS client."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

# The FailureReason of a script, as SageMaker's containers write it: the end of its output is in the middle.
PRINTED_REASON = re.compile(r"(?P<text>.+), exit code: (?P<code>-?\d+)")  # that of a built-in algorithm
QUOTED_OUTPUT = re.compile(
    r'ExitCode (?P<code>-?\d+)\nErrorMessage "(?P<output>.*?)"(?:\nExtraInfo "(?P<extra>[^"]*)")?\nCommand "', re.DOTALL
)


class LowcloudError(Exception):
    """Base class of all errors of the SDK."""


class InvalidInputError(LowcloudError, ValueError):
    """A model, data or a parameter cannot be used. The message says what to give instead."""


class CloudUnreachableError(LowcloudError):
    """No server answers, or none could be started."""


class RefusedError(LowcloudError):
    """The cloud refused a request; `code` is its error code, such as ValidationException, `status` that of HTTP."""

    def __init__(self, code: str, message: str, status: int = 400):
        super().__init__(message)
        self.code = code
        self.status = status


class JobFailedError(LowcloudError):
    """A training job failed: `reason` is its FailureReason, `lines` the end of its log."""

    def __init__(self, name: str, reason: str, lines: Sequence[str]):
        shown = "\n".join(f"  {line}" for line in lines)
        super().__init__(
            f"The job {name} failed{failure_ending(reason, lines)}"
            + (f"\nThe last lines of its log:\n{shown}" if lines else "")
        )
        self.name = name
        self.reason = reason
        self.lines = tuple(lines)


class EndpointFailedError(LowcloudError):
    """An endpoint could not be started. The message gives the reason."""


class PredictionFailedError(LowcloudError):
    """An endpoint refused a prediction request, or did not answer it. The message gives the reason."""


def failure_ending(reason: str, lines: Sequence[str]) -> str:
    """Return the end of a sentence about a failure: the FailureReason, or less if these lines of the log tell it."""
    printed = PRINTED_REASON.fullmatch(reason)
    if printed and any(printed["text"] in line for line in lines):
        return f" with exit code {printed['code']}."
    quoted = QUOTED_OUTPUT.search(reason)
    words = [line.strip() for line in quoted["output"].splitlines() if line.strip()] if quoted else []
    if not quoted or not words or not any(words[-1] in line for line in lines):
        return f": {reason}"
    extra = f", {quoted['extra'][0].lower()}{quoted['extra'][1:]}" if quoted["extra"] else ""
    return f" with exit code {quoted['code']}{extra}."


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn botocore's errors of the requests in this block into errors of the SDK."""
    from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

    try:
        yield
    except ClientError as error:
        details = error.response.get("Error", {})
        metadata: Mapping[str, Any] = error.response.get("ResponseMetadata", {})
        status = error.response.get("OriginalStatusCode") or metadata.get("HTTPStatusCode", 400)  # the model's own
        raise RefusedError(details.get("Code", ""), details.get("Message", str(error)), int(status)) from None
    except ParamValidationError as error:
        raise InvalidInputError(str(error)) from None
    except BotoCoreError as error:
        raise CloudUnreachableError(
            f"The server does not answer ({error}). Start it with `lowcloud up`; in a shell that uses `lowcloud env`, "
            "run that again."
        ) from None
