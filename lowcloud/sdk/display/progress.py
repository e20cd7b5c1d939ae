"""Shows the progress of a job while a program waits for it: one live line in a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Protocol, Self

from lowcloud.sdk.display.reports import format_number

METRICS_SECONDS = 1.0  # between two requests for the metrics
SHOWN_METRICS = 3
ENDED = {"Completed": "completed", "Failed": "failed", "Stopped": "stopped"}

Metrics = Callable[[], Mapping[str, float]]


class Progress(Protocol):
    """A context manager that shows the progress of a job."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, summary: Mapping[str, Any], lines: list[str], metrics: Metrics) -> None:
        """Show the job's summary and its new log lines."""


def for_standard_output(name: str) -> Progress:
    """Return a live line if standard output is a terminal, otherwise plain lines."""
    return _LiveLine(name) if sys.stdout.isatty() else _PlainLines(name)


def quiet() -> Progress:
    """Return a Progress that shows nothing."""
    return _Nothing()


class _Nothing:
    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, summary: Mapping[str, Any], lines: list[str], metrics: Metrics) -> None:
        pass


class _PlainLines(_Nothing):
    """Prints the job's log lines, and a line for each stage."""

    def __init__(self, name: str):
        self._name = name
        self._stage = ""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is KeyboardInterrupt:
            print(_interrupted_message(self._name), flush=True)

    def show(self, summary: Mapping[str, Any], lines: list[str], metrics: Metrics) -> None:
        for line in lines:
            print(line)
        stage = str(summary.get("SecondaryStatus") or summary["TrainingJobStatus"])
        if stage != self._stage:
            self._stage = stage
            print(f"{self._name}: {_ending(summary, metrics) or stage}", flush=True)


class _LiveLine(_Nothing):
    """One line that is updated: stage, seconds, metrics and last log line; at the end, the result."""

    def __init__(self, name: str):
        from rich.console import Console
        from rich.live import Live

        self._name = name
        self._last_line = ""
        self._metrics: Mapping[str, float] = {}
        self._metrics_at = 0.0
        self._console = Console(highlight=False)
        self._live = Live(console=self._console, refresh_per_second=10, transient=True)
        self._end = ""

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        if self._end:
            self._console.print(f"{self._name} {self._end}", markup=False)
        elif kind is KeyboardInterrupt:
            self._console.print(_interrupted_message(self._name), markup=False)

    def show(self, summary: Mapping[str, Any], lines: list[str], metrics: Metrics) -> None:
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        self._last_line = next((line for line in reversed(lines) if line.strip()), self._last_line)
        if time.monotonic() - self._metrics_at > METRICS_SECONDS:
            self._metrics_at, self._metrics = time.monotonic(), metrics()
        self._end = _ending(summary, metrics)
        stage = str(summary.get("SecondaryStatus") or summary["TrainingJobStatus"])
        line = Table.grid(padding=(0, 1))
        for _ in range(4):
            line.add_column(no_wrap=True)
        line.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        line.add_row(
            Spinner("dots"),
            Text(self._name, style="bold"),
            Text(stage, style="cyan"),
            Text(f"{_seconds(summary):.1f} s{_format_metrics(self._metrics)}"),
            Text(self._last_line, style="dim"),
        )
        self._live.update(line)


def _interrupted_message(name: str) -> str:
    return f"{name} continues to run; stop it with: lowcloud stop {name}"


def _ending(summary: Mapping[str, Any], metrics: Metrics) -> str:
    """Return how and when the job ended, or "" if it is still running."""
    ended = ENDED.get(summary["TrainingJobStatus"])
    return f"{ended} after {_seconds(summary):.1f} s{_format_metrics(metrics())}" if ended else ""


def _seconds(summary: Mapping[str, Any]) -> float:
    created = summary["CreationTime"]
    ended = summary.get("TrainingEndTime")
    return float(ended.timestamp() if ended else time.time()) - float(created.timestamp())


def _format_metrics(metrics: Mapping[str, float]) -> str:
    chosen = list(metrics.items())[:SHOWN_METRICS]
    return "".join(f"  {name} {format_number(value)}" for name, value in chosen)
