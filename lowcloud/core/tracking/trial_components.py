"""Trial components: each is one stage of the work on a model, with its inputs, metrics and outputs.

Every job has one, which provenance.py maintains; users create their own.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InUseError, InvalidError
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.core.resources import Condition
from lowcloud.core.telemetry import metrics
from lowcloud.core.telemetry.metrics import Point, Series, Statistics
from lowcloud.store.db.tables import associations, trial_components, trial_members

COMPONENT = ResourceKind("trial component", "experiment-trial-component", trial_components, ignores_case=True)
NAMESPACE = "/aws/sagemaker/TrialComponents"
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


@dataclass(frozen=True)
class Changes:
    """An update: values of columns, and what to set in and remove from the mappings."""

    values: Mapping[str, Any] = field(default_factory=dict)
    put: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by "parameters", "inputs" and "outputs"
    drop: Mapping[str, Iterable[str]] = field(default_factory=dict)  # likewise; done before `put`


def create(context: Context, component: TrialComponent, labels: Mapping[str, str] | None = None) -> None:
    """Create a component. Raises AlreadyExistsError and InvalidError."""
    _check(component)
    resources.create(context, COMPONENT, asdict(component), labels)


def find(context: Context, name: str) -> TrialComponent:
    """Return the component of this name. Raises NotFoundError."""
    return from_row(resources.find(context, COMPONENT, name))


def find_all(connection: Connection, names: Sequence[str]) -> list[TrialComponent]:
    """Return the components of these names, without those that do not exist."""
    return [from_row(row) for row in resources.find_all(connection, COMPONENT, names)]


def change(context: Context, name: str, changes: Changes) -> TrialComponent:
    """Change a component. Raises NotFoundError, and InvalidError if it would exceed a limit."""
    with context.database.transaction() as connection:
        before = resources.require(connection, COMPONENT, name)
        values = {**changes.values, "modified_at": context.now()}
        for column in {*changes.put, *changes.drop}:
            dropped = set(changes.drop.get(column, ()))
            kept = {key: value for key, value in before._mapping[column].items() if key not in dropped}
            values[column] = {**kept, **changes.put.get(column, {})}
        after = _from_values({**before._mapping, **values})
        _check(after)
        row = {column: asdict(after)[column] for column in values}
        resources.save(connection, COMPONENT, before.name, row)
    return after


def remove(context: Context, name: str) -> TrialComponent:
    """Delete a component that is in no trial, its metrics and associations. Raises NotFoundError and InUseError."""
    return from_row(resources.remove(context, COMPONENT, name, _remove_belongings))


def measure(context: Context, name: str, points: Sequence[tuple[str, Point]]) -> None:
    """Record points of a component's metrics: (metric name, point), in one transaction. Raises NotFoundError."""

    def write(connection: Connection) -> None:
        found = resources.require(connection, COMPONENT, name)
        metrics.record(connection, [(_series_of(found.name, metric), point) for metric, point in points])

    context.database.apply(write)


def series(context: Context, name: str, metric: str) -> Series:
    """Return the series of one metric: the component's own if it has points, otherwise that of its training job.

    Raises NotFoundError for the component.
    """
    component = find(context, name)
    own, of_job = _series_of(component.name, metric), _series_of_job(component, metric)
    if of_job is None:
        return own
    with context.database.read() as connection:
        return own if metrics.has_points(connection, own) else of_job


def statistics_of(context: Context, components: Sequence[TrialComponent]) -> dict[str, list[Statistics]]:
    """Return the statistics of each component's metrics, by name: its own, and those of its training job."""
    jobs = {one.name: job.dimensions for one in components if (job := _series_of_job(one, ""))}
    with context.database.read() as connection:
        own = metrics.statistics(connection, NAMESPACE, [_dimensions(one.name) for one in components])
        of_jobs = metrics.statistics(connection, metrics.TRAINING_NAMESPACE, list(jobs.values()))
    return {
        one.name: [*own.get(_dimensions(one.name), ()), *of_jobs.get(jobs.get(one.name, ()), ())] for one in components
    }


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


def from_row(row: Row[Any]) -> TrialComponent:
    """Return the component in a row of the table."""
    return _from_values(row._mapping)


def _from_values(values: Mapping[Any, Any]) -> TrialComponent:
    artifacts = {
        side: {name: _artifact(value) for name, value in values[side].items()} for side in ("inputs", "outputs")
    }
    return TrialComponent(**{**values, **artifacts})


def _artifact(value: Artifact | Mapping[str, str | None]) -> Artifact:
    return value if isinstance(value, Artifact) else Artifact(**value)  # type: ignore[arg-type]


def _series_of(name: str, metric: str) -> Series:
    return Series(NAMESPACE, metric, _dimensions(name))


def _series_of_job(component: TrialComponent, metric: str) -> Series | None:
    kind, _, job = (component.source or "").partition("/")
    return metrics.series_of_job(job, metric) if kind == "training-job" else None


def _dimensions(name: str) -> tuple[tuple[str, str], ...]:
    return (("TrialComponentName", name),)


def _remove_belongings(connection: Connection, name: str) -> None:
    if resources.exists(connection, trial_members.c.component == name):
        raise InUseError(f"The trial component {name!r} is linked to 1 or more trials and cannot be deleted.")
    for end in (associations.c.source, associations.c.destination):
        connection.execute(delete(associations).where(end == COMPONENT.subject(name)))
    metrics.delete_series(connection, NAMESPACE, _dimensions(name))


def _check(component: TrialComponent) -> None:
    if len(component.parameters) > PARAMETERS_LIMIT:
        raise InvalidError(f"A trial component can have at most {PARAMETERS_LIMIT} parameters.")
    if max(len(component.inputs), len(component.outputs)) > ARTIFACTS_LIMIT:
        raise InvalidError(f"A trial component can have at most {ARTIFACTS_LIMIT} artifacts on each side.")
    for name, value in component.parameters.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidError(f"The parameter {name!r} is {value}, which is not a number.")
