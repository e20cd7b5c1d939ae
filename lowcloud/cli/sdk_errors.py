"""Errors of the Python SDK as messages of a command."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from lowcloud.cli.terminal import fail


@contextmanager
def errors_as_messages() -> Iterator[None]:
    """Print errors of the SDK as messages, without a traceback."""
    from lowcloud.sdk import LowcloudError

    try:
        yield
    except LowcloudError as error:
        raise fail(str(error)) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
