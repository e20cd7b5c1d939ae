"""The logs of a job: the output of its hosts, and the metrics found in it."""

import math
from collections.abc import Sequence

from lowcloud.core.context import Context
from lowcloud.core.jobs.jobs import Job
from lowcloud.core.programs import resolver
from lowcloud.core.telemetry import logs, metric_extraction, metrics
from lowcloud.core.telemetry.logs import Derived
from lowcloud.engine.work import LogLine


def hosts(job: Job) -> list[str]:
    """Return the names of the job's hosts, in the order of their ranks."""
    return [f"algo-{rank + 1}" for rank in range(job.specification.instance_count)]


def collect(
    context: Context,
    job: Job,
    rank: int,
    work_id: str,
    replica: int = 0,
    run: str = "",
    timeout_seconds: float = math.inf,
) -> None:
    """Move what a replica of a work printed into the log stream of the host `rank`, and its metrics into series.

    `run` names this run of a work that may be started again under its id. Reading ends after `timeout_seconds`.
    """
    group, stream = job.kind.log_group, f"{job.name}/{hosts(job)[rank]}-{int(job.created_at)}"

    def derive(lines: Sequence[LogLine]) -> Derived:
        custom = job.specification.metric_definitions
        found, sentences = metric_extraction.find(context, job.name, _built_in(job), custom, lines)
        points = [(job.kind.metrics.series(job.name, name), point) for name, point in found]
        notes = tuple(LogLine(lines[-1].timestamp_ms, sentence) for sentence in sentences)
        return Derived(notes, lambda connection: metrics.record(connection, points))

    logs.open_stream(context, group, stream)
    logs.collect(context, group, stream, work_id, replica, derive, run, timeout_seconds)


def collect_all(context: Context, job: Job, timeout_seconds: float = math.inf) -> None:
    """Collect what the hosts of the current attempt have printed, as far as it can be read in time."""
    for rank in range(job.specification.instance_count):
        collect(context, job, rank, job.work_id, rank, timeout_seconds=timeout_seconds)


def definitions(job: Job) -> list[metrics.Definition]:
    """Return the metric definitions of a job: those of its built-in program, and the user's."""
    return [*_built_in(job), *job.specification.metric_definitions]


def _built_in(job: Job) -> tuple[metrics.Definition, ...]:
    program = job.progress.program
    # Version 0.1.0 did not store the program with the job.
    return resolver.metrics_of(job.specification.image) if program is None else program.metrics
