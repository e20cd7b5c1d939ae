"""Finds the values of metrics in log lines, with a bound on what an expression of a user may cost.

Expressions of Python can take for ever on a line that is made for them, so users' are matched by `regex`, which stops
in time and lets other threads run meanwhile.
"""

import re
import time
from collections.abc import Iterable, Iterator, Sequence

import regex

from lowcloud.core.context import Context
from lowcloud.core.telemetry.metrics import Definition, Point, parse_number
from lowcloud.engine.work import LogLine

PAGE_SECONDS = 1.0  # for one expression on one page of a log

Found = tuple[str, Point]


class ExpressionTimeoutError(Exception):
    """An expression has used up its time."""


def find(
    context: Context, job: str, own: Sequence[Definition], users: Sequence[Definition], lines: Sequence[LogLine]
) -> tuple[list[Found], list[str]]:
    """The values that a page of a job's log holds, and a sentence on each expression that is given up from now on.

    `own` are expressions of built-in programs, which are known to be quick.
    """
    found = [each for definition in own for each in _search(definition, lines)]
    sentences = []
    for definition in users:
        if (job, definition.name) in context.slow_metrics:
            continue
        try:
            found += list(_search_in_time(definition, lines))
        except ExpressionTimeoutError:
            context.slow_metrics.add((job, definition.name))
            sentences.append(
                f"The metric {definition.name!r} is not looked for any more: its regular expression "
                f"{definition.expression!r} takes too long on this log. Write one that backtracks less."
            )
    return found, sentences


def _search(definition: Definition, lines: Iterable[LogLine]) -> Iterator[Found]:
    pattern = re.compile(definition.expression)
    for line in lines:
        if match := pattern.search(line.text):
            yield from _value(definition, line, match.group(1))


def _search_in_time(definition: Definition, lines: Iterable[LogLine]) -> Iterator[Found]:
    """As _search. Raises ExpressionTimeoutError."""
    pattern = regex.compile(definition.expression)
    deadline = time.monotonic() + PAGE_SECONDS
    for line in lines:
        left = deadline - time.monotonic()
        if left <= 0:
            raise ExpressionTimeoutError
        try:
            match = pattern.search(line.text, timeout=left, concurrent=True)
        except TimeoutError as error:
            raise ExpressionTimeoutError from error
        if match:
            yield from _value(definition, line, match.group(1))


def _value(definition: Definition, line: LogLine, text: str | None) -> Iterator[Found]:
    value = parse_number(text) if text else None
    if value is not None:
        yield definition.name, Point(line.timestamp_ms / 1000, value)
