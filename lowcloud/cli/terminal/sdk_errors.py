"""What the Python SDK says, in the words of the command line."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from lowcloud.cli.terminal.output import fail


@contextmanager
def errors_as_messages() -> Iterator[None]:
    """Print errors of the SDK as messages; these, and what else it prints, name the options of commands."""
    from lowcloud.sdk import LowcloudError, wording

    try:
        with wording.for_command_line():
            yield
    except LowcloudError as error:
        raise fail(str(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
