"""The errors of the Python SDK. Each message says what to do, and hides the internals of the AWS client."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class LowcloudError(Exception):
    """Base class of all errors of the SDK."""


class InvalidInputError(LowcloudError, ValueError):
    """A model, data or a parameter cannot be used. The message says what to give instead."""


class CloudUnreachableError(LowcloudError):
    """No server answers, or none could be started."""


class RefusedError(LowcloudError):
    """The cloud refused a request; `code` is its error code, such as ValidationException."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


class JobFailedError(LowcloudError):
    """A training job failed: `reason` is its FailureReason, `lines` the end of its log."""

    def __init__(self, name: str, reason: str, lines: Sequence[str]):
        shown = "\n".join(f"  {line}" for line in lines)
        super().__init__(
            f"The job {name} failed: {reason}" + (f"\nThe last lines of its log:\n{shown}" if lines else "")
        )
        self.name = name
        self.reason = reason
        self.lines = tuple(lines)


class EndpointFailedError(LowcloudError):
    """An endpoint could not be started. The message gives the reason."""


class PredictionFailedError(LowcloudError):
    """An endpoint did not answer a prediction request. The message gives the reason."""


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn botocore's errors of the requests in this block into errors of the SDK."""
    from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

    try:
        yield
    except ClientError as error:
        details = error.response.get("Error", {})
        raise RefusedError(details.get("Code", ""), details.get("Message", str(error))) from None
    except ParamValidationError as error:
        raise InvalidInputError(str(error)) from None
    except BotoCoreError as error:
        raise CloudUnreachableError(
            f"The server does not answer ({error}). Start it with `lowcloud up`; in a shell that uses `lowcloud env`, "
            "run that again."
        ) from None
