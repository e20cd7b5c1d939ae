"""Experiments: each groups the trials that pursue one question."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InUseError
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.store.db.tables.tracking import experiments, trials

EXPERIMENT = ResourceKind(
    "experiment", "experiment", experiments, lambda row: Experiment(**row._mapping), ignores_case=True
)


@dataclass(frozen=True)
class Experiment:
    """The current state of an experiment. Times are seconds since the epoch."""

    name: str
    created_at: float
    modified_at: float
    display_name: str | None = None  # None: the name
    description: str | None = None


def create(context: Context, experiment: Experiment, resource_tags: Mapping[str, str] | None = None) -> None:
    """Create an experiment. Raises AlreadyExistsError."""
    resources.create(context, EXPERIMENT, vars(experiment), resource_tags)


def delete(context: Context, name: str) -> Experiment:
    """Delete an experiment that has no trials. Raises NotFoundError and InUseError."""
    return resources.delete(context, EXPERIMENT, name, _require_no_trials)


def _require_no_trials(connection: Connection, experiment: Experiment) -> None:
    if resources.exists(connection, trials.c.experiment == experiment.name):
        raise InUseError(f"The experiment {experiment.name!r} is linked to 1 or more trials and cannot be deleted.")
