"""How tables are read: what `reading=` accepts, and the sentences about what was seen in them."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from lowcloud.schemas.csv_arguments import to_delimiter
from lowcloud.schemas.spelling import did_you_mean
from lowcloud.schemas.tables import MISSING_WORDS
from lowcloud.sdk import wording
from lowcloud.sdk.errors import InvalidInputError

KINDS = ("number", "text", "time", "boolean")
INDEX = ("drop", "keep")
MISSING = ("", *MISSING_WORDS)
NAMES_SHOWN = 8  # in an error message


@dataclass(frozen=True)
class Reading:
    """What cannot be seen in a table without doubt; None means that it is seen, or refused if it is in doubt."""

    delimiter: str | None = None  # between the cells of text files
    decimal: str | None = None  # the decimal mark of numbers in texts, "." or ","
    header: bool | None = None  # whether text files begin with the names of the columns
    comment: str | None = None  # the beginning of lines to skip, "" if there are none
    index: str | None = None  # "drop" or "keep" a column that seems to be the index of a pandas table
    types: Mapping[str, str] = field(default_factory=dict)  # column -> number, text, time or boolean
    missing: tuple[str, ...] = MISSING  # cells that mean a missing value


@dataclass(frozen=True)
class Places:
    """Where the rows of a table are: of each part, its first row, its name, and the line numbers of a text file."""

    what: str  # the name of the table in messages
    parts: tuple[tuple[int, str, Sequence[int] | None], ...] = ()

    def row(self, row: int) -> str:
        """Return where a row is, such as "a.csv, line 7"."""
        if not self.parts:
            return f"row {row} of {self.what}, counted from 0"
        first, name, lines = next(part for part in reversed(self.parts) if part[0] <= row)
        return f"{name}, line {lines[row - first]}" if lines is not None else f"{name}, row {row - first + 1}"

    def cell(self, row: int, column: str) -> str:
        """Return where a cell is."""
        return f"{self.row(row)}, column {column!r}"


def to_reading(given: Mapping[str, Any] | Reading | None) -> Reading:
    """Return the options of `reading=`. Raises InvalidInputError."""
    if given is None or isinstance(given, Reading):
        return given or Reading()
    if not isinstance(given, Mapping):
        raise InvalidInputError(
            f"reading is a mapping of options, such as {wording.reading(decimal=',')}, not {given!r}."
        )
    names = [one.name for one in fields(Reading)]
    for name in given:
        if name not in names:
            hint = did_you_mean(name, names, f"There are {', '.join(names)}.")
            raise InvalidInputError(f"reading has no option {name!r}. {hint}")
    options = dict(given)
    _check_choice("decimal", options, (".", ","))
    _check_choice("index", options, INDEX)
    _check_choice("header", options, (True, False))
    for name in ("delimiter", "comment"):
        if not isinstance(options.get(name) or "", str):
            raise InvalidInputError(f"The option {name!r} of reading is a text, not {options[name]!r}.")
    if options.get("delimiter") is not None:
        options["delimiter"] = delimiter = to_delimiter(options["delimiter"])
        if len(delimiter) != 1 or delimiter in '"\r\n':
            raise InvalidInputError(f"The option 'delimiter' of reading is one character or 'tab', not {delimiter!r}.")
    for name, convert in (("types", _to_types), ("missing", _to_missing)):
        if (given_value := options.pop(name, None)) is not None:
            options[name] = convert(given_value)
    return Reading(**options)


def _to_types(given: Any) -> dict[str, str]:
    if not isinstance(given, Mapping):
        raise InvalidInputError(
            f"The option 'types' of reading is a mapping of columns to {', '.join(KINDS)}, not {given!r}: "
            f"{wording.reading(types={'code': 'text'})}."
        )
    for column, kind in given.items():
        if kind not in KINDS:
            raise InvalidInputError(
                f"reading: the type of column {column!r} is one of {', '.join(KINDS)}, not {kind!r}."
            )
    return dict(given)


def _to_missing(given: Any) -> tuple[str, ...]:
    if not isinstance(given, str | list | tuple | set | frozenset):
        raise InvalidInputError(f"The option 'missing' of reading is a text or a list of texts, not {given!r}.")
    return ("", *([given] if isinstance(given, str) else map(str, given)))


def say(notes: Iterable[str]) -> None:
    """Print what was seen and done, one line each, where it does not mix with results."""
    for note in dict.fromkeys(notes):
        print(note, file=sys.stderr)


def format_names(names: Iterable[str]) -> str:
    """Return names for an error message, shortened if there are many."""
    listed = list(names)
    shown = ", ".join(map(repr, listed[:NAMES_SHOWN]))
    return f"{shown} and {len(listed) - NAMES_SHOWN} more" if len(listed) > NAMES_SHOWN else shown


def check_distinct(names: Iterable[str], what: str) -> None:
    """Raise InvalidInputError if two columns have the same name."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidInputError(f"{what} has several columns named {name!r}; give each column a different name.")
        seen.add(name)


def _check_choice(name: str, options: Mapping[str, Any], choices: tuple[Any, ...]) -> None:
    if options.get(name) is not None and options[name] not in choices:
        raise InvalidInputError(
            f"The option {name!r} of reading is {' or '.join(map(wording.value, choices))}, not {options[name]!r}."
        )
