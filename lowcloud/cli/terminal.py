"""The terminal: what all commands share in speaking to whoever types them."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

Home = Annotated[
    Path | None,
    typer.Option("--home", help="Where this cloud keeps everything.", show_default="$LOWCLOUD_HOME or ~/.lowcloud"),
]
output = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def print_fact(name: str, fact: str) -> None:
    """One line: what is told, and what is so."""
    output.print(f"[bold]{name:15}[/bold]{escape(fact)}")


def failure(message: str, code: int = 1) -> typer.Exit:
    """Say what went wrong; raise what this returns."""
    errors.print(message, style="red", markup=False)
    return typer.Exit(code)
