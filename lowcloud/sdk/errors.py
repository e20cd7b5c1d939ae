"""What can go wrong on the short way, each error with its remedy, and none with the inside of an AWS client."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class LowcloudError(Exception):
    """Anything that the short way raises on purpose."""


class InvalidInputError(LowcloudError, ValueError):
    """A model, data or a parameter that cannot be used. The message says what to give instead."""


class CloudUnreachableError(LowcloudError):
    """No cloud answers, or none could be started."""


class RefusedError(LowcloudError):
    """The cloud refused a request; `code` is its word for why, such as ValidationException."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


class JobFailedError(LowcloudError):
    """A training job failed: `reason` as the cloud tells it, and the last `lines` of its log."""

    def __init__(self, name: str, reason: str, lines: Sequence[str]):
        shown = "\n".join(f"  {line}" for line in lines)
        super().__init__(f"The job {name} failed: {reason}" + (f"\nThe end of its log:\n{shown}" if lines else ""))
        self.name = name
        self.reason = reason
        self.lines = tuple(lines)


class EndpointFailedError(LowcloudError):
    """An endpoint could not be started. The message says why."""


class PredictionFailedError(LowcloudError):
    """An endpoint did not answer a request for predictions. The message says why."""


@contextmanager
def asking() -> Iterator[None]:
    """Requests to the cloud; what botocore raises becomes an error that its reader can use."""
    from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

    try:
        yield
    except ClientError as error:
        told = error.response.get("Error", {})
        raise RefusedError(told.get("Code", ""), told.get("Message", str(error))) from None
    except ParamValidationError as error:
        raise InvalidInputError(str(error)) from None
    except BotoCoreError as error:
        raise CloudUnreachableError(
            f"The cloud does not answer ({error}). Start it with `lowcloud up`; in a shell that was wired by "
            "`lowcloud env`, wire it anew."
        ) from None
