"""Trial components: one stage of the work on a model, with what went in, what was measured and what came out.

Every job has one, which core.tracking keeps; people make their own.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from lowcloud.core import resources, tags
from lowcloud.core.context import Context
from lowcloud.core.errors import InUseError, InvalidError
from lowcloud.core.named_rows import is_named_in, require
from lowcloud.core.telemetry import metrics
from lowcloud.core.telemetry.metrics import Point, Series, Statistics
from lowcloud.core.tracking.trials import COMPONENT
from lowcloud.store.db.tables import associations, trial_components, trial_members

NAMESPACE = "/aws/sagemaker/TrialComponents"
PARAMETERS_LIMIT = 300
ARTIFACTS_LIMIT = 60


@dataclass(frozen=True)
class Artifact:
    """Something that went in or came out: a URI or a plain value."""

    value: str
    media_type: str | None = None


@dataclass(frozen=True)
class TrialComponent:
    """A trial component as it stands. Times are seconds since the epoch."""

    name: str
    created_at: float
    modified_at: float
    display_name: str | None = None  # None: as the name
    source: str | None = None  # the subject of the job it tells of
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
    """What an update says: values of columns, what to set of the mappings, and what to drop from them."""

    values: Mapping[str, Any] = field(default_factory=dict)
    put: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by "parameters", "inputs" and "outputs"
    drop: Mapping[str, Iterable[str]] = field(default_factory=dict)  # likewise; what is put at once stays


def subject(name: str) -> str:
    """What tags and associations of a component are filed under."""
    return f"experiment-trial-component/{name}"


def create(context: Context, component: TrialComponent, labels: Mapping[str, str] | None = None) -> None:
    """Keep a component. Raises AlreadyExists, whatever the case of the letters, and InvalidError."""
    _check(component)
    resources.add(context, trial_components, COMPONENT, subject(component.name), asdict(component), labels)


def find(context: Context, name: str) -> TrialComponent:
    """The component of this name. Raises NotFound."""
    with context.database.read() as connection:
        return from_row(require(connection, trial_components, COMPONENT, name))


def change(context: Context, name: str, changes: Changes) -> TrialComponent:
    """Change a component. Raises NotFound, and InvalidError where it would hold too much."""
    with context.database.transaction() as connection:
        before = require(connection, trial_components, COMPONENT, name)
        values = {**changes.values, "modified_at": context.now()}
        for column in {*changes.put, *changes.drop}:
            dropped = set(changes.drop.get(column, ()))
            kept = {key: value for key, value in before._mapping[column].items() if key not in dropped}
            values[column] = {**kept, **changes.put.get(column, {})}
        after = from_values({**before._mapping, **values})
        _check(after)
        row = {column: asdict(after)[column] for column in values}
        connection.execute(update(trial_components).where(trial_components.c.name == before.name).values(**row))
    return after


def remove(context: Context, name: str) -> TrialComponent:
    """Forget a component that is in no trial, and all that was measured of it. Raises NotFound and InUseError."""
    with context.database.transaction() as connection:
        found = from_row(require(connection, trial_components, COMPONENT, name))
        if connection.execute(select(trial_members).where(trial_members.c.component == found.name).limit(1)).first():
            raise InUseError(f"The trial component {found.name!r} is linked to 1 or more trials and cannot be deleted.")
        connection.execute(delete(trial_components).where(trial_components.c.name == found.name))
        for end in (associations.c.source, associations.c.destination):
            connection.execute(delete(associations).where(end == subject(found.name)))
        metrics.delete_series(connection, NAMESPACE, _dimensions(found.name))
        tags.forget(connection, subject(found.name))
    return found


def measure(context: Context, name: str, points: Sequence[tuple[str, Point]]) -> None:
    """Record points of a component's metrics: (metric name, point), in one transaction. Raises NotFound."""

    def write(connection: Connection) -> None:
        found = require(connection, trial_components, COMPONENT, name)
        metrics.record(connection, [(series_of(found.name, metric), point) for metric, point in points])

    context.database.apply(write)


def series_of(name: str, metric: str) -> Series:
    """The series of one metric of a component."""
    return Series(NAMESPACE, metric, _dimensions(name))


def series_of_job(component: TrialComponent, metric: str) -> Series | None:
    """The series of one metric of the training job that a component tells of, if it does."""
    kind, _, job = (component.source or "").partition("/")
    return metrics.series_of_job(job, metric) if kind == "training-job" else None


def statistics_of(connection: Connection, components: Sequence[TrialComponent]) -> dict[str, list[Statistics]]:
    """What each component's metrics come to, by name: its own, and those of the training job it tells of."""
    own = metrics.statistics(connection, NAMESPACE, [_dimensions(one.name) for one in components])
    series = {one.name: series_of_job(one, "") for one in components}
    jobs = {name: found.dimensions for name, found in series.items() if found}
    of_jobs = metrics.statistics(connection, metrics.TRAINING_NAMESPACE, list(jobs.values()))
    return {
        one.name: [*own.get(_dimensions(one.name), ()), *of_jobs.get(jobs.get(one.name, ()), ())] for one in components
    }


def sources_of_run(connection: Connection, name: str) -> list[str]:
    """The jobs that are part of what somebody logs to this component."""
    source = trial_components.c.source
    of_run = select(source).where(trial_components.c.run == name, source.is_not(None))
    return list(connection.scalars(of_run.order_by(trial_components.c.created_at)))


def with_source(connection: Connection, source: str) -> TrialComponent | None:
    """The component that tells of this job, or None."""
    is_its = func.lower(trial_components.c.source) == source.lower()
    row = connection.execute(select(trial_components).where(is_its)).first()
    return None if row is None else from_row(row)


def named(connection: Connection, names: Sequence[str]) -> list[TrialComponent]:
    """Those of these names that exist."""
    rows = connection.execute(select(trial_components).where(is_named_in(trial_components, names)))
    return [from_row(row) for row in rows]


def from_row(row: Row[Any]) -> TrialComponent:
    """The component that a row of the table holds."""
    return from_values(dict(row._mapping))


def from_values(values: Mapping[str, Any]) -> TrialComponent:
    """The component that has these columns."""
    artifacts = {
        side: {name: _artifact(value) for name, value in values[side].items()} for side in ("inputs", "outputs")
    }
    return TrialComponent(**{**values, **artifacts})


def _artifact(value: Artifact | Mapping[str, str | None]) -> Artifact:
    return value if isinstance(value, Artifact) else Artifact(**value)  # type: ignore[arg-type]


def _dimensions(name: str) -> tuple[tuple[str, str], ...]:
    return (("TrialComponentName", name),)


def _check(component: TrialComponent) -> None:
    if len(component.parameters) > PARAMETERS_LIMIT:
        raise InvalidError(f"A trial component can have at most {PARAMETERS_LIMIT} parameters.")
    if max(len(component.inputs), len(component.outputs)) > ARTIFACTS_LIMIT:
        raise InvalidError(f"A trial component can have at most {ARTIFACTS_LIMIT} artifacts on each side.")
    for name, value in component.parameters.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidError(f"The parameter {name!r} is {value}, which is no number.")
