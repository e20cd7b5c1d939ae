"""Options that have the form NAME=VALUE, and how they are read."""

import json
from typing import Annotated, Any

import typer

from lowcloud.cli.terminal.output import fail

WRONG_USAGE_EXIT_CODE = 2  # as the parser of the command line has it

ReadingOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--reading",
        metavar="NAME=VALUE",
        help="How tables are read where that cannot be seen: 'delimiter=;', types=COLUMN=text ...; can be repeated.",
    ),
]


def parse_pairs(option: str, given: list[str] | None, form: str = "NAME=VALUE") -> dict[str, str]:
    """Return the values of an option that is given in this form, perhaps several times."""
    pairs = [text.partition("=") for text in given or ()]
    invalid = next((name for name, separator, _ in pairs if not separator or not name), None)
    if invalid is not None:
        raise fail(f"{option} {invalid!r} must have the form {form}.", WRONG_USAGE_EXIT_CODE)
    return {name: value for name, _, value in pairs}


def parse_value(text: str) -> Any:
    """Return the value that the text is in JSON (a number, true, a list ...), otherwise the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def parse_reading(given: list[str] | None) -> dict[str, Any] | None:
    """Return how tables are to be read, None if nothing is said about it."""
    columns = [text.removeprefix("types=") for text in given or () if text.startswith("types=")]
    others = [text for text in given or () if not text.startswith("types=")]
    options = {name: parse_value(value) for name, value in parse_pairs("--reading", others).items()}
    types: dict[str, Any] = {}
    for text in columns:
        found = parse_value(text)
        types |= found if isinstance(found, dict) else parse_pairs("--reading types=", [text], "types=COLUMN=TYPE")
    return {**options, **({"types": types} if types else {})} or None
