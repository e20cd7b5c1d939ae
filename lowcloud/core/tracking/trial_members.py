"""Trial members: which trial components belong to which trials."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.core.resources import Condition
from lowcloud.core.tracking import trial_components, trials
from lowcloud.core.tracking.experiments import EXPERIMENT
from lowcloud.core.tracking.trial_components import COMPONENT
from lowcloud.core.tracking.trials import TRIAL
from lowcloud.store.db import upsert
from lowcloud.store.db.tables import tracking as tables
from lowcloud.store.db.tables.tracking import trial_members


@dataclass(frozen=True)
class Parent:
    """A trial that a component belongs to."""

    trial: str
    experiment: str


def add(context: Context, trial: str, component: str) -> None:
    """Add a component to a trial, unless it belongs to it already. Raises NotFoundError for either."""
    with context.database.transaction() as connection:
        found = resources.require(connection, TRIAL, trial)
        member = resources.require(connection, COMPONENT, component)
        put(connection, found.name, member.name)


def remove(context: Context, trial: str, component: str) -> None:
    """Remove a component from a trial. Raises NotFoundError for either, and if it does not belong to the trial."""
    with context.database.transaction() as connection:
        found = resources.require(connection, TRIAL, trial)
        member = resources.require(connection, COMPONENT, component)
        is_membership = (trial_members.c.trial == found.name, trial_members.c.component == member.name)
        if connection.execute(delete(trial_members).where(*is_membership)).rowcount == 0:
            raise NotFoundError("trial component of this trial", member.name)


def put(connection: Connection, trial: str, component: str) -> None:
    """Add a component to a trial, within a transaction; both exist."""
    upsert.insert_missing(connection, trial_members, {"trial": trial, "component": component})


def trial_conditions(context: Context, experiment: str | None, component: str | None) -> list[Condition]:
    """Return what trials of an experiment and with a component meet, if they are named.

    Raises NotFoundError for either.
    """
    where: list[Condition] = []
    if experiment:
        where.append(trials.is_of_experiment(resources.find(context, EXPERIMENT, experiment).name))
    if component:
        has_component = trial_members.c.component == resources.find(context, COMPONENT, component).name
        where.append(tables.trials.c.name.in_(select(trial_members.c.trial).where(has_component)))
    return where


def component_conditions(
    context: Context, experiment: str | None, trial: str | None, source: str | None
) -> list[Condition]:
    """Return what trial components of an experiment, a trial and a job (its subject) meet, if they are named.

    Raises NotFoundError for an experiment or a trial.
    """
    where: list[Condition] = []
    if experiment:
        where.append(is_in_experiment(resources.find(context, EXPERIMENT, experiment).name))
    if trial:
        where.append(is_in_trial(resources.find(context, TRIAL, trial).name))
    if source:
        where.append(trial_components.has_source(source))
    return where


def parents_of(context: Context, components: Sequence[str]) -> dict[str, list[Parent]]:
    """Return the trials that each of these components belongs to, by name."""
    statement = (
        select(trial_members.c.component, tables.trials.c.name, tables.trials.c.experiment)
        .join(tables.trials, tables.trials.c.name == trial_members.c.trial)
        .where(trial_members.c.component.in_(components))
        .order_by(tables.trials.c.name)
    )
    found: dict[str, list[Parent]] = {}
    with context.database.read() as connection:
        for component, trial, experiment in connection.execute(statement):
            found.setdefault(component, []).append(Parent(trial, experiment))
    return found


def is_in_trial(name: str) -> Condition:
    """Return whether a component belongs to the trial of exactly this name."""
    members = select(trial_members.c.component).where(trial_members.c.trial == name)
    return tables.trial_components.c.name.in_(members)


def is_in_experiment(name: str) -> Condition:
    """Return whether a component belongs to a trial of the experiment of exactly this name."""
    members = select(trial_members.c.component).join(tables.trials).where(trials.is_of_experiment(name))
    return tables.trial_components.c.name.in_(members)
