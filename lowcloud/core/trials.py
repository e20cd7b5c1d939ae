"""Trials: the components of one attempt of an experiment, and which components belong to which trial."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, delete, select

from lowcloud.core import records, tags
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import InUse, Invalid, NotFound
from lowcloud.core.experiments import KIND as EXPERIMENT
from lowcloud.core.named_rows import change_row, require
from lowcloud.store import upsert
from lowcloud.store.tables import experiments, trial_components, trial_members, trials

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


def create(cloud: Cloud, trial: Trial, labels: Mapping[str, str] | None = None) -> None:
    """Keep a trial. Raises AlreadyExists, whatever the case of the letters, and NotFound for its experiment."""
    with cloud.database.read() as connection:
        experiment = require(connection, experiments, EXPERIMENT, trial.experiment).name
    records.add(cloud, trials, KIND, subject(trial.name), {**vars(trial), "experiment": experiment}, labels)


def find(cloud: Cloud, name: str) -> Trial:
    """The trial of this name. Raises NotFound."""
    with cloud.database.read() as connection:
        return from_row(require(connection, trials, KIND, name))


def change(cloud: Cloud, name: str, **values: Any) -> Trial:
    """Set its display name. Raises NotFound."""
    return from_row(change_row(cloud, trials, KIND, name, values))


def remove(cloud: Cloud, name: str) -> Trial:
    """Forget a trial that has no components. Raises NotFound and InUse."""
    with cloud.database.transaction() as connection:
        found = from_row(require(connection, trials, KIND, name))
        if connection.execute(select(trial_members).where(trial_members.c.trial == found.name).limit(1)).first():
            raise InUse(f"The trial {found.name!r} is linked to 1 or more trial components and cannot be deleted.")
        connection.execute(delete(trials).where(trials.c.name == found.name))
        tags.forget(connection, subject(found.name))
    return found


def join(cloud: Cloud, trial: str, component: str) -> Parent:
    """Make a component part of a trial; that it is already is no error. Raises NotFound for either."""
    with cloud.database.transaction() as connection:
        found = require(connection, trials, KIND, trial)
        member = require(connection, trial_components, COMPONENT, component)
        enter(connection, found.name, member.name)
    return Parent(found.name, found.experiment)


def leave(cloud: Cloud, trial: str, component: str) -> None:
    """Take a component out of a trial. Raises NotFound for either, and where it is no part of it."""
    with cloud.database.transaction() as connection:
        found = require(connection, trials, KIND, trial)
        member = require(connection, trial_components, COMPONENT, component)
        of_both = (trial_members.c.trial == found.name, trial_members.c.component == member.name)
        if connection.execute(delete(trial_members).where(*of_both)).rowcount == 0:
            raise NotFound("trial component of this trial", member.name)


def enter(connection: Connection, trial: str, component: str) -> None:
    """Make a component part of a trial, within a transaction; both exist."""
    upsert.insert_missing(connection, trial_members, {"trial": trial, "component": component})


def chosen(connection: Connection, experiment: str | None, trial: str | None, own: str, now: float) -> str | None:
    """The trial that something shall become part of: the one named, or where only an experiment is, a new one: `own`.

    Raises NotFound for the experiment or the trial, and Invalid where the trial is another experiment's.
    """
    parent = require(connection, experiments, EXPERIMENT, experiment).name if experiment else None
    if trial is not None:
        found = require(connection, trials, KIND, trial)
        if parent not in (None, found.experiment):
            raise Invalid(f"The trial {found.name!r} is one of the experiment {found.experiment!r}, not of {parent!r}.")
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
