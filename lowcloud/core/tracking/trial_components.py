"""Trial components: each is one stage of the work on a model, with its inputs, metrics and outputs.

Every job has one, which provenance.py maintains; users create their own.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, func, select

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InUseError, InvalidError
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.core.resources import Condition
from lowcloud.core.telemetry import metrics
from lowcloud.core.telemetry.metrics import MetricScope, Point, Series, Statistics
from lowcloud.store.db.tables.tracking import associations, trial_components, trial_members

METRICS = MetricScope("/aws/sagemaker/TrialComponents", "TrialComponentName")
PARAMETERS_LIMIT = 300
ARTIFACTS_LIMIT = 60


@dataclass(frozen=True)
class Artifact:
    """An input or output: a URI or a plain value."""

    value: str
    media_type: str | None = None


@dataclass(frozen=True)
class TrialComponent:
    """The current state of a trial component. Times are seconds since the epoch."""

    name: str
    created_at: float
    modified_at: float
    display_name: str | None = None  # None: the name
    source: str | None = None  # the subject of the job that it describes
    run: str | None = None  # the component that the job's user logs to
    status: str | None = None
    message: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    parameters: Mapping[str, str | float] = field(default_factory=dict)
    inputs: Mapping[str, Artifact] = field(default_factory=dict)
    outputs: Mapping[str, Artifact] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)


def _load(row: Row[Any]) -> TrialComponent:
    sides = {
        side: {name: Artifact(**artifact) for name, artifact in row._mapping[side].items()}
        for side in ("inputs", "outputs")
    }
    return TrialComponent(**{**row._mapping, **sides})


COMPONENT = ResourceKind(
    "trial component", "experiment-trial-component", trial_components, _load, ignores_case=True, metrics=METRICS
)


@dataclass(frozen=True)
class Changes:
    """An update: values of columns, and what to set in and remove from the mappings."""

    values: Mapping[str, Any] = field(default_factory=dict)
    put: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by "parameters", "inputs" and "outputs"
    drop: Mapping[str, Iterable[str]] = field(default_factory=dict)  # likewise; done after `put`


def create(context: Context, component: TrialComponent, resource_tags: Mapping[str, str] | None = None) -> None:
    """Create a component. Raises AlreadyExistsError and InvalidError."""
    _check(component)
    resources.create(context, COMPONENT, asdict(component), resource_tags)


def change(context: Context, name: str, changes: Changes) -> TrialComponent:
    """Change a component. Raises NotFoundError, and InvalidError if it would exceed a limit."""
    with context.database.transaction() as connection:
        before = resources.require(connection, COMPONENT, name)
        merged = {
            column: resources.merge(getattr(before, column), changes.put.get(column, {}), changes.drop.get(column, ()))
            for column in {*changes.put, *changes.drop}
        }
        values = {**changes.values, **merged, "modified_at": context.now()}
        after = replace(before, **values)
        _check(after)
        row = asdict(after)
        resources.save(connection, COMPONENT, before.name, {column: row[column] for column in values})
    return after


def delete(context: Context, name: str) -> TrialComponent:
    """Delete a component that is in no trial, its metrics and associations. Raises NotFoundError and InUseError."""
    return resources.delete(context, COMPONENT, name, _delete_belongings)


def measure(context: Context, name: str, points: Sequence[tuple[str, Point]]) -> None:
    """Record points of a component's metrics: (metric name, point), in one transaction. Raises NotFoundError."""

    def write(connection: Connection) -> None:
        found = resources.require(connection, COMPONENT, name)
        metrics.record(connection, [(METRICS.series(found.name, metric), point) for metric, point in points])

    context.database.apply(write)


def series(context: Context, name: str, metric: str) -> Series:
    """Return the series of one metric: the component's own if it has points, otherwise that of its job.

    Raises NotFoundError for the component.
    """
    component = resources.find(context, COMPONENT, name)
    own, job = METRICS.series(component.name, metric), _job_of(context, component)
    if job is None:
        return own
    with context.database.read() as connection:
        return own if metrics.has_points(connection, own) else job.scope.series(job.name, metric)


def statistics_of(context: Context, components: Sequence[TrialComponent]) -> dict[str, list[Statistics]]:
    """Return the statistics of each component's metrics, by name: its own, and those of its job."""
    jobs = {one.name: job for one in components if (job := _job_of(context, one))}
    with context.database.read() as connection:
        found = metrics.statistics(connection, METRICS, [one.name for one in components])
        of_jobs = {
            scope: metrics.statistics(connection, scope, [job.name for job in jobs.values() if job.scope == scope])
            for scope in {job.scope for job in jobs.values()}
        }
    for component, job in jobs.items():
        found[component] = [*found.get(component, ()), *of_jobs[job.scope].get(job.name, ())]
    return {one.name: found.get(one.name, []) for one in components}


def sources_of(context: Context, component: TrialComponent) -> list[str]:
    """Return the jobs that a component describes: its source, otherwise the jobs of the run that is logged to it."""
    if component.source:
        return [component.source]
    source = trial_components.c.source
    of_run = select(source).where(trial_components.c.run == component.name, source.is_not(None))
    with context.database.read() as connection:
        return list(connection.scalars(of_run.order_by(trial_components.c.created_at)))


def has_source(subject: str) -> Condition:
    """Return whether a component describes the job of this subject, regardless of case."""
    return func.lower(trial_components.c.source) == subject.lower()


class _MeasuredJob(NamedTuple):
    scope: MetricScope
    name: str


def _job_of(context: Context, component: TrialComponent) -> _MeasuredJob | None:
    prefix, _, name = (component.source or "").partition("/")
    kind = context.kinds.find(prefix)
    return _MeasuredJob(kind.metrics, name) if kind and kind.metrics else None


def _delete_belongings(connection: Connection, component: TrialComponent) -> None:
    name = component.name
    if resources.exists(connection, trial_members.c.component == name):
        raise InUseError(f"The trial component {name!r} is linked to 1 or more trials and cannot be deleted.")
    for end in (associations.c.source, associations.c.destination):
        connection.execute(associations.delete().where(end == COMPONENT.subject(name)))
    metrics.delete_all(connection, METRICS, name)


def _check(component: TrialComponent) -> None:
    if len(component.parameters) > PARAMETERS_LIMIT:
        raise InvalidError(f"A trial component can have at most {PARAMETERS_LIMIT} parameters.")
    if max(len(component.inputs), len(component.outputs)) > ARTIFACTS_LIMIT:
        raise InvalidError(f"A trial component can have at most {ARTIFACTS_LIMIT} artifacts on each side.")
    for name, value in component.parameters.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidError(f"The parameter {name!r} is {value}, which is not a number.")
