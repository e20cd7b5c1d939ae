"""Terminal output that all commands share, and the option --home."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

Home = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="FOLDER",
        help="Folder of this cloud's keys, data and jobs.",
        show_default="$LOWCLOUD_HOME or ~/.lowcloud",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
LABEL_WIDTH = 15
output = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def print_fact(name: str, fact: str) -> None:
    """Print a label and its value; further lines of the value are aligned with the first."""
    value = fact.replace("\n", f"\n{'':{LABEL_WIDTH}}")
    output.print(f"[bold]{name:{LABEL_WIDTH}}[/bold]{escape(value)}")


def say(message: str) -> None:
    """Print a sentence, in which nothing is markup."""
    output.print(message, markup=False)


def note(message: str) -> None:
    """Print a remark that is not part of the result, so that a pipe does not get it."""
    errors.print(message, style="dim", markup=False)


def fail(message: str, code: int = 1) -> typer.Exit:
    """Print an error message, and return the exception that ends the command: `raise fail(...)`."""
    errors.print(message, style="red", markup=False)
    return typer.Exit(code)


def of_home(command: str, home: Path | None) -> str:
    """Return a command as the user must type it: with --home if this command was given it."""
    return f"{command} --home {home}" if home else command


def confirm(question: str, is_confirmed: bool) -> None:
    """Ask, unless it is confirmed. Ends the command if the answer is no, or if there is nobody to ask."""
    if is_confirmed:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise fail(f"{question} There is no terminal to ask on: add --yes to confirm.")
    if not typer.confirm(question, err=True):
        raise typer.Exit(1)
