"""Experiments: what groups the trials that pursue one question."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, delete, func, select, update

from lowcloud.core import records, tags
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import InUse, NotFound
from lowcloud.store.tables import experiments, trials

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


def create(cloud: Cloud, experiment: Experiment, labels: Mapping[str, str] | None = None) -> None:
    """Keep an experiment. Raises AlreadyExists, whatever the case of the letters."""
    records.add(cloud, experiments, KIND, subject(experiment.name), vars(experiment), labels)


def find(cloud: Cloud, name: str) -> Experiment:
    """The experiment of this name. Raises NotFound."""
    with cloud.database.read() as connection:
        return from_row(require(connection, experiments, KIND, name))


def change(cloud: Cloud, name: str, **values: Any) -> Experiment:
    """Set some of its display name and description. Raises NotFound."""
    return from_row(set_values(cloud, experiments, KIND, name, values))


def remove(cloud: Cloud, name: str) -> Experiment:
    """Forget an experiment that has no trials. Raises NotFound and InUse."""
    with cloud.database.transaction() as connection:
        found = from_row(require(connection, experiments, KIND, name))
        if connection.execute(select(trials.c.name).where(trials.c.experiment == found.name).limit(1)).first():
            raise InUse(f"The experiment {found.name!r} is linked to 1 or more trials and cannot be deleted.")
        connection.execute(delete(experiments).where(experiments.c.name == found.name))
        tags.forget(connection, subject(found.name))
    return found


def from_row(row: Row[Any]) -> Experiment:
    """The experiment that a row of the table holds."""
    return Experiment(**row._mapping)


def is_named(table: Table, name: str) -> ColumnElement[bool]:
    """Whether a row has this name, in letters of any case."""
    return func.lower(table.c.name) == name.lower()


def is_named_in(table: Table, names: Iterable[str]) -> ColumnElement[bool]:
    """Whether a row has one of these names, in letters of any case."""
    return func.lower(table.c.name).in_([name.lower() for name in names])


def require(connection: Connection, table: Table, kind: str, name: str) -> Row[Any]:
    """The row of this name in letters of any case. Raises NotFound."""
    row = connection.execute(select(table).where(is_named(table, name))).one_or_none()
    if row is None:
        raise NotFound(kind, name)
    return row


def set_values(cloud: Cloud, table: Table, kind: str, name: str, values: Mapping[str, Any]) -> Row[Any]:
    """Change columns of the row of this name, and what it is then. Raises NotFound."""
    with cloud.database.transaction() as connection:
        found = require(connection, table, kind, name)
        changes = {**values, "modified_at": cloud.now()}
        connection.execute(update(table).where(table.c.name == found.name).values(**changes))
        return require(connection, table, kind, name)
