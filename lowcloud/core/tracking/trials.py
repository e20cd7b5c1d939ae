"""Trials: each groups the components of one attempt within an experiment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InUseError, InvalidError
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.core.resources import Condition
from lowcloud.core.tracking.experiments import EXPERIMENT
from lowcloud.store.db import upsert
from lowcloud.store.db.tables.tracking import trial_members, trials

TRIAL = ResourceKind("trial", "experiment-trial", trials, lambda row: Trial(**row._mapping), ignores_case=True)


@dataclass(frozen=True)
class Trial:
    """The current state of a trial. Times are seconds since the epoch."""

    name: str
    experiment: str
    created_at: float
    modified_at: float
    display_name: str | None = None  # None: the name
    metadata: Mapping[str, str] = field(default_factory=dict)  # where its code comes from


def create(context: Context, trial: Trial, resource_tags: Mapping[str, str] | None = None) -> None:
    """Create a trial. Raises AlreadyExistsError, and NotFoundError for its experiment."""
    experiment = resources.find(context, EXPERIMENT, trial.experiment).name
    resources.create(context, TRIAL, {**vars(trial), "experiment": experiment}, resource_tags)


def delete(context: Context, name: str) -> Trial:
    """Delete a trial that has no components. Raises NotFoundError and InUseError."""
    return resources.delete(context, TRIAL, name, _require_no_components)


def choose(connection: Connection, experiment: str | None, trial: str | None, new: str, now: float) -> str | None:
    """Return the trial to add a component to: the one named, otherwise a new one of the experiment, otherwise None.

    The new trial gets the name `new`. Raises NotFoundError for the experiment or the trial, and InvalidError if the
    trial belongs to another experiment.
    """
    parent = resources.require(connection, EXPERIMENT, experiment).name if experiment else None
    if trial is not None:
        found = resources.require(connection, TRIAL, trial)
        if parent not in (None, found.experiment):
            raise InvalidError(
                f"The trial {found.name!r} belongs to the experiment {found.experiment!r}, not to {parent!r}."
            )
        return found.name
    if parent is None:
        return None
    upsert.insert_missing(connection, trials, vars(Trial(new, parent, created_at=now, modified_at=now)))
    return new


def is_of_experiment(name: str) -> Condition:
    """Return whether a trial belongs to the experiment of exactly this name."""
    return trials.c.experiment == name


def _require_no_components(connection: Connection, trial: Trial) -> None:
    if resources.exists(connection, trial_members.c.trial == trial.name):
        raise InUseError(f"The trial {trial.name!r} is linked to 1 or more trial components and cannot be deleted.")
