"""Lists of jobs, endpoints, models and objects: aligned in a terminal, tab-separated in a pipe, or as JSON."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any

import typer

from lowcloud.cli.terminal.output import note, output, say
from lowcloud.client.messages import format_bytes

ROWS_SHOWN = 25
GAP = "  "
INDENT = "    "

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Number = Annotated[int, typer.Option("--number", "-n", metavar="N", help="How many to list.", min=1)]
All = Annotated[bool, typer.Option("--all", "-a", help="List all.")]

Item = Mapping[str, Any]
Columns = Mapping[str, Callable[[Item], str]]  # title -> the cell of an item


def print_list(
    items: Iterable[Item],
    columns: Columns,
    noun: str,
    limit: int | None,
    as_json: bool,
    first: str = "newest",
) -> None:
    """Print the first `limit` items (None: all), and say whether there are more.

    `noun` is their plural, and `first` says which ones come first.
    """
    listed = iter(items)
    shown = list(islice(listed, limit))
    if as_json:
        print(to_json(shown))
        return
    if not shown:
        say(f"No {noun} yet")
        return
    print_rows([tuple(columns), *(tuple(cell(item) for cell in columns.values()) for item in shown)])
    if limit is not None and next(listed, None) is not None:
        note(f"{len(shown)} shown, the {first}; all {noun}: --all")


def print_rows(rows: list[tuple[str, ...]]) -> None:
    """Print rows of cells, the first of which are titles. No cell is cut: names are copied from here.

    In a terminal, columns that do not fit beside the others are in further, indented lines.
    """
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(" ".join(cell.split()) for cell in row))
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = _lines(widths, output.width)
    for number, row in enumerate(rows):
        for line in lines:
            text = GAP.join(row[column].ljust(widths[column]) for column in line).rstrip()
            if text:
                indent = "" if line is lines[0] else INDENT
                output.print(f"{indent}{text}", style="bold" if number == 0 else None, markup=False)


def _lines(widths: list[int], width: int) -> list[list[int]]:
    """Return the columns that are in each line of a row, as many as fit."""
    lines: list[list[int]] = [[]]
    used = 0
    for column, needed in enumerate(widths):
        if lines[-1] and used + len(GAP) + needed > width:
            lines.append([])
            used = len(INDENT)
        used += needed + (len(GAP) if lines[-1] else 0)
        lines[-1].append(column)
    return lines


def items_of(pages: Iterable[Item], member: str) -> Iterator[Item]:
    """Yield the items of pages."""
    for page in pages:
        yield from page[member]


def to_json(value: Any) -> str:
    """Return an answer of the cloud as JSON; its times, seconds since the epoch, become ISO 8601."""
    return json.dumps(_with_times(value), indent=2, default=str)


def to_time(seconds: float | None) -> str:
    """Return a time for a list: short in a terminal, whole and sortable elsewhere."""
    if seconds is None:
        return ""
    time = datetime.fromtimestamp(seconds).astimezone()
    return time.strftime("%m-%d %H:%M:%S") if sys.stdout.isatty() else time.isoformat(timespec="seconds")


def to_size(count: int) -> str:
    """Return a number of bytes for people in a terminal, and exactly elsewhere."""
    return format_bytes(count) if sys.stdout.isatty() else str(count)


def _with_times(value: Any, name: str = "") -> Any:
    if isinstance(value, Mapping):
        return {key: _with_times(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [_with_times(one) for one in value]
    if isinstance(value, float) and name.endswith(("Time", "Timestamp")):
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds")
    return value
