"""Experiments: what groups the trials that pursue one question."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, delete, select

from lowcloud.core import resources, tags
from lowcloud.core.context import Context
from lowcloud.core.errors import InUseError
from lowcloud.core.named_rows import change_row, require
from lowcloud.store.db.tables import experiments, trials

KIND = "experiment"


@dataclass(frozen=True)
class Experiment:
    """An experiment as it stands. Times are seconds since the epoch."""

    name: str
    created_at: float
    modified_at: float
    display_name: str | None = None  # None: as the name
    description: str | None = None


def subject(name: str) -> str:
    """What tags of an experiment are filed under."""
    return f"experiment/{name}"


def create(context: Context, experiment: Experiment, labels: Mapping[str, str] | None = None) -> None:
    """Keep an experiment. Raises AlreadyExists, whatever the case of the letters."""
    resources.add(context, experiments, KIND, subject(experiment.name), vars(experiment), labels)


def find(context: Context, name: str) -> Experiment:
    """The experiment of this name. Raises NotFound."""
    with context.database.read() as connection:
        return from_row(require(connection, experiments, KIND, name))


def change(context: Context, name: str, **values: Any) -> Experiment:
    """Set some of its display name and description. Raises NotFound."""
    return from_row(change_row(context, experiments, KIND, name, values))


def remove(context: Context, name: str) -> Experiment:
    """Forget an experiment that has no trials. Raises NotFound and InUseError."""
    with context.database.transaction() as connection:
        found = from_row(require(connection, experiments, KIND, name))
        if connection.execute(select(trials.c.name).where(trials.c.experiment == found.name).limit(1)).first():
            raise InUseError(f"The experiment {found.name!r} is linked to 1 or more trials and cannot be deleted.")
        connection.execute(delete(experiments).where(experiments.c.name == found.name))
        tags.forget(connection, subject(found.name))
    return found


def from_row(row: Row[Any]) -> Experiment:
    """The experiment that a row of the table holds."""
    return Experiment(**row._mapping)
