"""The errors that scripts raise and catch."""

from __future__ import annotations

from typing import Any


class ClientError(Exception):
    """Something that the user can mend."""


class UnsupportedFormatError(Exception):
    """A content type that a function cannot read or write; the client gets `status_code`."""

    def __init__(self, content_type: Any, status_code: int = 415, **_settings: Any):
        self.status_code = status_code
        self.content_type = content_type
        self.message = f"Content type {content_type} is not supported by this framework."
        super().__init__(self.message)


class CalledProcessError(ClientError):
    """A command that ended with an exit code other than 0."""

    def __init__(self, cmd: Any = None, return_code: Any = None, output: Any = None, info: Any = None):
        self.cmd = cmd
        self.return_code = return_code
        self.output = output.decode(errors="replace") if isinstance(output, bytes) else output or ""
        self.extra_info = info
        super().__init__(cmd, return_code, output)

    def __str__(self) -> str:
        lines = [f"{type(self).__name__}:", f"ExitCode {self.return_code}", f'ErrorMessage "{self.output}"']
        return "\n".join(
            [*lines, *([f'ExtraInfo "{self.extra_info}"'] if self.extra_info else []), f'Command "{self.cmd}"']
        )


class InstallModuleError(CalledProcessError):
    """The script's package could not be installed."""


class InstallRequirementsError(CalledProcessError):
    """The script's requirements could not be installed."""


class ImportModuleError(ClientError):
    """The script could not be imported."""


class ExecuteUserScriptError(CalledProcessError):
    """The script has failed."""


class ChannelDoesNotExistException(Exception):
    """The job has no channel of this name."""

    def __init__(self, channel_name: str):
        super().__init__(f"The job has no channel {channel_name!r}.")


class BaseInferenceToolkitError(Exception):
    """An error that answers a request with a status of its own."""

    def __init__(self, status_code: int, message: str, phrase: str):
        self.status_code = status_code
        self.message = message
        self.phrase = phrase
        super().__init__(status_code, message, phrase)

    def __str__(self) -> str:
        return self.message


class GenericInferenceToolkitError(BaseInferenceToolkitError):
    """The same, with a message and phrase that may be left out."""

    def __init__(self, status_code: int, message: str | None = None, phrase: str | None = None):
        super().__init__(status_code, message or "Invalid Request", phrase or message or "Invalid Request")


class ModelLoadError(Exception):
    """The model could not be loaded."""


class UserError(ClientError):
    """A mistake in what the user has given."""
