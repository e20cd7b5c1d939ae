"""Shows the progress of a job while a program waits for it: one live line in a terminal, changes of state elsewhere."""

import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Protocol, Self

from lowcloud.sdk.display.reports import format_number

METRICS_SECONDS = 1.0  # between two requests for the metrics
SHOWN_METRICS = 3
ENDED = {"Completed": "completed", "Failed": "failed", "Stopped": "stopped"}

SHARING_NOTE = "A smaller instance type, such as ml.m6g.medium with 1 core, lets jobs run side by side."

Metrics = Callable[[], Mapping[str, float]]


class Progress(Protocol):
    """A context manager that shows the progress of a job."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, summary: Mapping[str, Any], lines: list[str], metrics: Metrics) -> None:
        """Show the job's summary and its new log lines."""


def for_standard_output(name: str, home_option: str = "") -> Progress:
    """Return a live line if standard output is a terminal, otherwise lines for changes of state.

    `home_option` is what the suggested commands need in addition.
    """
    interrupted = f"{name} continues to run; stop it with: lowcloud stop {name}{home_option}"
    return _LiveLine(name, interrupted) if sys.stdout.isatty() else _PlainLines(name, interrupted)


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
    """Prints a line for each stage of the job."""

    def __init__(self, name: str, interrupted: str):
        self._name = name
        self._interrupted = interrupted
        self._notes = _Notes()
        self._stage = ""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is KeyboardInterrupt:
            print(self._interrupted, flush=True)

    def show(self, summary: Mapping[str, Any], lines: list[str], metrics: Metrics) -> None:  # noqa: ARG002
        for note in self._notes.new(summary):
            print(f"{self._name}: {note}", flush=True)
        stage = _stage(summary)
        if stage != self._stage:
            self._stage = stage
            print(f"{self._name}: {_ending(summary, metrics) or stage}", flush=True)


class _LiveLine(_Nothing):
    """One line that is updated: stage, seconds, metrics and last log line; at the end, the result."""

    def __init__(self, name: str, interrupted: str):
        from rich.console import Console
        from rich.live import Live

        self._name = name
        self._interrupted = interrupted
        self._notes = _Notes()
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
            self._console.print(self._interrupted, markup=False, soft_wrap=True)

    def show(self, summary: Mapping[str, Any], lines: list[str], metrics: Metrics) -> None:
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        for note in self._notes.new(summary):
            self._console.print(note, markup=False, style="dim")
        self._last_line = next((line for line in reversed(lines) if line.strip()), self._last_line)
        if time.monotonic() - self._metrics_at > METRICS_SECONDS:
            self._metrics_at, self._metrics = time.monotonic(), metrics()
        self._end = _ending(summary, metrics)
        parts = [(self._name, "bold"), (f" {_stage(summary)}", "cyan")]
        if "TrainingStartTime" in summary:
            parts += [
                (f" {_seconds(summary):.1f} s{_format_metrics(self._metrics)}", ""),
                (f"  {self._last_line}", "dim"),
            ]
        line = Table.grid(padding=(0, 1))
        line.add_column(width=1)
        line.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        line.add_row(Spinner("dots"), Text.assemble(*parts))
        self._live.update(line)


class _Notes:
    """What is said once about a job: that the machine is smaller than its instances, and that it waits."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def new(self, summary: Mapping[str, Any]) -> list[str]:
        could_share = summary.get("CoresWaitedFor", 0.0) > 1
        notes = [str(summary.get("InstanceNote", "")), SHARING_NOTE if could_share else ""]
        found = [note for note in notes if note and note not in self._told]
        self._told.update(found)
        return found


def _stage(summary: Mapping[str, Any]) -> str:
    return str(summary.get("WaitingFor") or summary.get("SecondaryStatus") or summary["TrainingJobStatus"])


def _ending(summary: Mapping[str, Any], metrics: Metrics) -> str:
    """Return how and when the job ended, or "" if it is still running."""
    ended = ENDED.get(summary["TrainingJobStatus"])
    return f"{ended} after {_seconds(summary):.1f} s{_format_metrics(metrics())}" if ended else ""


def _seconds(summary: Mapping[str, Any]) -> float:
    """Return how long the job has worked: not the time that it has waited for capacity."""
    started, ended = summary.get("TrainingStartTime"), summary.get("TrainingEndTime")
    if started is None:
        return 0.0
    return float(ended.timestamp() if ended else time.time()) - float(started.timestamp())


def _format_metrics(metrics: Mapping[str, float]) -> str:
    chosen = list(metrics.items())[:SHOWN_METRICS]
    return "".join(f"  {name} {format_number(value)}" for name, value in chosen)
