"""Terminal output that all commands share, and the option --home."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

Home = Annotated[
    Path | None,
    typer.Option(
        "--home", help="Folder of this cloud's keys, data and jobs.", show_default="$LOWCLOUD_HOME or ~/.lowcloud"
    ),
]
output = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def print_fact(name: str, fact: str) -> None:
    """Print one line: a label and its value."""
    output.print(f"[bold]{name:15}[/bold]{escape(fact)}")


def fail(message: str, code: int = 1) -> typer.Exit:
    """Print an error message, and return the exception that ends the command: `raise fail(...)`."""
    errors.print(message, style="red", markup=False)
    return typer.Exit(code)
