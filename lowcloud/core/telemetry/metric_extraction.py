"""Extraction of metric values from log lines, with a time limit for users' regular expressions.

A regular expression can backtrack catastrophically, so users' expressions are matched by `regex`, which has a timeout
and releases the GIL.
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


class SlowMetrics:
    """The metrics of running jobs whose expressions took too long and are not searched for any more."""

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {}  # by job

    def has(self, job: str, name: str) -> bool:
        """Whether the expression of a metric took too long."""
        return name in self._names.get(job, ())

    def add(self, job: str, name: str) -> None:
        """Record that the expression of a metric took too long."""
        self._names.setdefault(job, set()).add(name)

    def forget(self, job: str) -> None:
        """Forget the metrics of a job that has ended."""
        self._names.pop(job, None)


class ExpressionTimeoutError(Exception):
    """A regular expression exceeded its time limit."""


def find(
    context: Context, job: str, builtin: Sequence[Definition], users: Sequence[Definition], lines: Sequence[LogLine]
) -> tuple[list[Found], list[str]]:
    """Return the values in a page of a job's log, and a message for each expression that is disabled from now on.

    `builtin` are expressions of built-in programs, which are known to be fast.
    """
    found = [each for definition in builtin for each in _search(definition, lines)]
    messages = []
    slow = context.memory.get(SlowMetrics)
    for definition in users:
        if slow.has(job, definition.name):
            continue
        try:
            found += list(_search_in_time(definition, lines))
        except ExpressionTimeoutError:
            slow.add(job, definition.name)
            messages.append(
                f"The metric {definition.name!r} is no longer extracted: its regular expression "
                f"{definition.expression!r} takes too long on this log. Use one that backtracks less."
            )
    return found, messages


def _search(definition: Definition, lines: Iterable[LogLine]) -> Iterator[Found]:
    pattern = re.compile(definition.expression)
    for line in lines:
        if match := pattern.search(line.text):
            yield from _value(definition, line, match.group(1))


def _search_in_time(definition: Definition, lines: Iterable[LogLine]) -> Iterator[Found]:
    """Run _search with a time limit. Raises ExpressionTimeoutError."""
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
