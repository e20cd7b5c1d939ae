"""Extraction of metric values from log lines, with limits for users' regular expressions.

Each kind of fault of a metric is reported once in the log of a job, not with every line.
"""

import re
import time
from collections.abc import Iterable, Iterator, Sequence

from lowcloud.core.context import Context
from lowcloud.core.patterns import Expression, PatternError
from lowcloud.core.telemetry.metrics import Definition, Point, parse_number
from lowcloud.engine.work import LogLine

PAGE_SECONDS = 1.0  # for one expression on one page of a log; a line of 256 KiB takes 6 seconds at worst
SHOWN_CHARACTERS = 64

Found = tuple[str, Point]


class MetricFaults:
    """What the logs of running jobs already report: metrics that are disabled, and values that are no numbers."""

    def __init__(self) -> None:
        self._disabled: dict[str, set[str]] = {}  # names of metrics by job
        self._not_numbers: dict[str, set[str]] = {}

    def is_disabled(self, job: str, name: str) -> bool:
        """Whether a metric is not searched for any more."""
        return name in self._disabled.get(job, ())

    def disable(self, job: str, name: str) -> None:
        """Record that a metric is not searched for any more."""
        self._disabled.setdefault(job, set()).add(name)

    def add_value(self, job: str, name: str) -> bool:
        """Record that a value of a metric is no number. Returns whether it is the first one."""
        names = self._not_numbers.setdefault(job, set())
        is_first = name not in names
        names.add(name)
        return is_first

    def forget(self, job: str) -> None:
        """Forget the metrics of a job that has ended."""
        self._disabled.pop(job, None)
        self._not_numbers.pop(job, None)


class _DisabledError(Exception):
    """A metric cannot be extracted. The message gives the reason."""


def find(
    context: Context, job: str, builtin: Sequence[Definition], users: Sequence[Definition], lines: Sequence[LogLine]
) -> tuple[list[Found], list[str]]:
    """Return the values in a page of a job's log, and a message for each fault that was not reported before.

    `builtin` are expressions of built-in programs, which are known to be fast and to match numbers.
    """
    found, messages = [], []
    for definition in builtin:
        values, _ = _to_points(definition, _search(definition, lines))
        found += values
    faults = context.memory.get(MetricFaults)
    for definition in users:
        if faults.is_disabled(job, definition.name):
            continue
        try:
            values, other = _to_points(definition, _search_in_time(definition, lines))
        except _DisabledError as error:
            faults.disable(job, definition.name)
            messages.append(f"The metric {definition.name!r} is no longer extracted: {error}")
            continue
        found += values
        if other is not None and faults.add_value(job, definition.name):
            messages.append(
                f"A value of the metric {definition.name!r} is not recorded, because it is not a finite number: "
                f"{other[:SHOWN_CHARACTERS]!r}. Further ones are not recorded either, without a message."
            )
    return found, messages


def _search(definition: Definition, lines: Iterable[LogLine]) -> Iterator[tuple[LogLine, str]]:
    pattern = re.compile(definition.expression)
    for line in lines:
        if match := pattern.search(line.text):
            yield line, match.group(1) or ""


def _search_in_time(definition: Definition, lines: Iterable[LogLine]) -> Iterator[tuple[LogLine, str]]:
    """Yield the lines that match and what was captured. Raises _DisabledError."""
    quoted = f"its regular expression {definition.expression!r}"
    try:
        expression = Expression(definition.expression)
    except PatternError as error:  # of a job that was created before expressions were those of RE2
        raise _DisabledError(f"{quoted} is not accepted: {error}") from error
    deadline = time.monotonic() + PAGE_SECONDS
    for line in lines:
        if time.monotonic() >= deadline:
            raise _DisabledError(f"{quoted} takes too long on this log. Use one with fewer repetitions.")
        if (value := expression.search(line.text)) is not None:
            yield line, value


def _to_points(definition: Definition, matches: Iterable[tuple[LogLine, str]]) -> tuple[list[Found], str | None]:
    """Return the values that are numbers, and the first other one."""
    points, other = [], None
    for line, text in matches:
        value = parse_number(text)
        if value is not None:
            points.append((definition.name, Point(line.timestamp_ms / 1000, value)))
        elif other is None:
            other = text
    return points, other
