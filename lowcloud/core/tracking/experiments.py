"""Experiments: each groups the trials that pursue one question."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InUseError
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.core.resources import Page, Query
from lowcloud.store.db.tables.tracking import experiments, trials

EXPERIMENT = ResourceKind("experiment", "experiment", experiments, ignores_case=True)


@dataclass(frozen=True)
class Experiment:
    """The current state of an experiment. Times are seconds since the epoch."""

    name: str
    created_at: float
    modified_at: float
    display_name: str | None = None  # None: the name
    description: str | None = None


def create(context: Context, experiment: Experiment, labels: Mapping[str, str] | None = None) -> None:
    """Create an experiment. Raises AlreadyExistsError."""
    resources.create(context, EXPERIMENT, vars(experiment), labels)


def find(context: Context, name: str) -> Experiment:
    """Return the experiment of this name. Raises NotFoundError."""
    return from_row(resources.find(context, EXPERIMENT, name))


def list_page(context: Context, query: Query) -> Page[Experiment]:
    """Return a page of experiments. Raises InvalidPageTokenError."""
    return resources.list_page(context, EXPERIMENT, query, from_row)


def change(context: Context, name: str, **values: Any) -> Experiment:
    """Set the display name, the description or both. Raises NotFoundError."""
    return from_row(resources.change(context, EXPERIMENT, name, values))


def remove(context: Context, name: str) -> Experiment:
    """Delete an experiment that has no trials. Raises NotFoundError and InUseError."""
    return from_row(resources.remove(context, EXPERIMENT, name, _require_no_trials))


def from_row(row: Row[Any]) -> Experiment:
    """Return the experiment in a row of the table."""
    return Experiment(**row._mapping)


def _require_no_trials(connection: Connection, name: str) -> None:
    if resources.exists(connection, trials.c.experiment == name):
        raise InUseError(f"The experiment {name!r} is linked to 1 or more trials and cannot be deleted.")
