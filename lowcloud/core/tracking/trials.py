"""Trials: the components of one attempt of an experiment, and which components belong to which trial."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, delete, select

from lowcloud.core import resources, tags
from lowcloud.core.context import Context
from lowcloud.core.errors import InUseError, InvalidError, NotFoundError
from lowcloud.core.named_rows import change_row, require
from lowcloud.core.tracking.experiments import KIND as EXPERIMENT
from lowcloud.store.db import upsert
from lowcloud.store.db.tables import experiments, trial_components, trial_members, trials

KIND = "trial"
COMPONENT = "trial component"


@dataclass(frozen=True)
class Trial:
    """A trial as it stands. Times are seconds since the epoch."""

    name: str
    experiment: str
    created_at: float
    modified_at: float
    display_name: str | None = None  # None: as the name
    metadata: Mapping[str, str] = field(default_factory=dict)  # where its code comes from


@dataclass(frozen=True)
class Parent:
    """A trial that a component belongs to."""

    trial: str
    experiment: str


def subject(name: str) -> str:
    """What tags of a trial are filed under."""
    return f"experiment-trial/{name}"


def create(context: Context, trial: Trial, labels: Mapping[str, str] | None = None) -> None:
    """Keep a trial. Raises AlreadyExists, whatever the case of the letters, and NotFoundError for its experiment."""
    with context.database.read() as connection:
        experiment = require(connection, experiments, EXPERIMENT, trial.experiment).name
    resources.add(context, trials, KIND, subject(trial.name), {**vars(trial), "experiment": experiment}, labels)


def find(context: Context, name: str) -> Trial:
    """The trial of this name. Raises NotFoundError."""
    with context.database.read() as connection:
        return from_row(require(connection, trials, KIND, name))


def change(context: Context, name: str, **values: Any) -> Trial:
    """Set its display name. Raises NotFoundError."""
    return from_row(change_row(context, trials, KIND, name, values))


def remove(context: Context, name: str) -> Trial:
    """Forget a trial that has no components. Raises NotFoundError and InUseError."""
    with context.database.transaction() as connection:
        found = from_row(require(connection, trials, KIND, name))
        if connection.execute(select(trial_members).where(trial_members.c.trial == found.name).limit(1)).first():
            raise InUseError(f"The trial {found.name!r} is linked to 1 or more trial components and cannot be deleted.")
        connection.execute(delete(trials).where(trials.c.name == found.name))
        tags.forget(connection, subject(found.name))
    return found


def join(context: Context, trial: str, component: str) -> Parent:
    """Make a component part of a trial; that it is already is no error. Raises NotFoundError for either."""
    with context.database.transaction() as connection:
        found = require(connection, trials, KIND, trial)
        member = require(connection, trial_components, COMPONENT, component)
        enter(connection, found.name, member.name)
    return Parent(found.name, found.experiment)


def leave(context: Context, trial: str, component: str) -> None:
    """Take a component out of a trial. Raises NotFoundError for either, and where it is no part of it."""
    with context.database.transaction() as connection:
        found = require(connection, trials, KIND, trial)
        member = require(connection, trial_components, COMPONENT, component)
        of_both = (trial_members.c.trial == found.name, trial_members.c.component == member.name)
        if connection.execute(delete(trial_members).where(*of_both)).rowcount == 0:
            raise NotFoundError("trial component of this trial", member.name)


def enter(connection: Connection, trial: str, component: str) -> None:
    """Make a component part of a trial, within a transaction; both exist."""
    upsert.insert_missing(connection, trial_members, {"trial": trial, "component": component})


def chosen(connection: Connection, experiment: str | None, trial: str | None, own: str, now: float) -> str | None:
    """The trial that something shall become part of: the one named, or where only an experiment is, a new one: `own`.

    Raises NotFoundError for the experiment or the trial, and InvalidError where the trial is another experiment's.
    """
    parent = require(connection, experiments, EXPERIMENT, experiment).name if experiment else None
    if trial is not None:
        found = require(connection, trials, KIND, trial)
        if parent not in (None, found.experiment):
            raise InvalidError(
                f"The trial {found.name!r} is one of the experiment {found.experiment!r}, not of {parent!r}."
            )
        return str(found.name)
    if parent is None:
        return None
    made = Trial(own, parent, created_at=now, modified_at=now)
    upsert.insert_missing(connection, trials, vars(made))
    return own


def parents_of(connection: Connection, components: Sequence[str]) -> dict[str, list[Parent]]:
    """The trials that each of these components belongs to."""
    statement = (
        select(trial_members.c.component, trials.c.name, trials.c.experiment)
        .join(trials, trials.c.name == trial_members.c.trial)
        .where(trial_members.c.component.in_(components))
        .order_by(trials.c.name)
    )
    found: dict[str, list[Parent]] = {}
    for component, trial, experiment in connection.execute(statement):
        found.setdefault(component, []).append(Parent(trial, experiment))
    return found


def from_row(row: Row[Any]) -> Trial:
    """The trial that a row of the table holds."""
    return Trial(**row._mapping)
