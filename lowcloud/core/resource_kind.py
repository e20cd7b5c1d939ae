"""Kinds of resources, as modules that handle every kind see them, and the registry of all kinds.

A subject declares its kinds as constants; `core/kinds.py` registers each once. Whoever has to know all of them
(reconciler, admission, deletion of unused environments, tags, shutdown) iterates `context.kinds`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, func

if TYPE_CHECKING:
    from lowcloud.core.context import Context
    from lowcloud.core.control.reconciler import LeasedRecord
    from lowcloud.core.telemetry.metrics import MetricScope


Record = TypeVar("Record")


@dataclass(frozen=True, eq=False)
class ResourceKind(Generic[Record]):
    """One kind of resource. Its records are rows of `table`, each with a `name` that is unique within the kind."""

    noun: str  # in messages: "trial component"
    prefix: str  # of subjects, under which tags, events and associations are stored: "experiment-trial-component"
    table: Table
    load: Callable[[Row[Any]], Record]  # the record in a row of the table
    ignores_case: bool = False  # names are unique, and found, regardless of case
    has_tags: bool = True  # that users set
    conditions: tuple[ColumnElement[bool], ...] = ()  # of the kind's rows, if several kinds share the table
    metrics: "MetricScope | None" = None  # where the metrics of its records are, if they have any

    # What the server does for the records of a kind. They are the hooks of kinds that have a life of their own.

    # One turn of the reconciler: the seconds until the next one, or None if the record was released or removed.
    # The table of such a kind has the columns of `tables.schema.lease`.
    advance: "Callable[[LeasedRecord], float | None] | None" = None
    is_queued: bool = False  # waits for capacity; the table has the columns of the queue (scheduling/admission.py)
    environments_in_use: Callable[[Connection, Table], set[str]] | None = None  # Python environments of its records
    reserved_memory: "Callable[[Context, Connection], int] | None" = None  # bytes of the machine that jobs cannot use
    suspend: "Callable[[Context], None] | None" = None  # called when the last server of a store shuts down

    @property
    def fields(self) -> Collection[str]:
        """The columns that records can be filtered and sorted by."""
        return self.table.c.keys()

    def subject(self, name: str) -> str:
        """Return the key of a record's tags, events and associations."""
        return f"{self.prefix}/{name}"

    def in_account(self, account_id: str) -> "ResourceKind[Record]":
        """Return the kind limited to the records of an account, or itself if its records have no account."""
        return _limited(self, account_id) if "account" in self.table.c else self

    def is_named(self, name: str) -> ColumnElement[bool]:
        """Return the condition that a row is the record of this name."""
        return self.is_one_of([name])

    def is_one_of(self, names: Sequence[str]) -> ColumnElement[bool]:
        """Return the condition that a row is the record of one of these names."""
        column: ColumnElement[str] = self.table.c.name
        if self.ignores_case:
            column, names = func.lower(column), [name.lower() for name in names]
        is_named = column == names[0] if len(names) == 1 else column.in_(names)
        return and_(*self.conditions, is_named) if self.conditions else is_named


@lru_cache(1024)
def _limited(kind: ResourceKind[Record], account_id: str) -> ResourceKind[Record]:
    return replace(kind, conditions=(*kind.conditions, kind.table.c.account == account_id))


# Advances a periodic task by one step. Takes its saved progress; returns the new progress and the seconds to the next
# step.
TaskStep = Callable[["Context", Mapping[str, Any]], tuple[dict[str, Any], float]]


@dataclass(frozen=True)
class PeriodicTask:
    """A background task of the server, whose progress is saved in one row (control/periodic_tasks.py)."""

    name: str
    step: TaskStep
    starts_immediately: bool = False  # otherwise a day after the store was created: a new store has nothing to look for


@dataclass(frozen=True)
class Registry:
    """Every kind of resource and every periodic task of a cloud."""

    kinds: tuple[ResourceKind[Any], ...]
    tasks: tuple[PeriodicTask, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError if two kinds share a prefix or two tasks a name: one would be mistaken for the other."""
        for names in ([kind.prefix for kind in self.kinds], [task.name for task in self.tasks]):
            if shared := {name for name in names if names.count(name) > 1}:
                raise ValueError(f"These are declared more than once: {', '.join(sorted(shared))}.")

    def __iter__(self) -> Iterator[ResourceKind[Any]]:
        return iter(self.kinds)

    @property
    def reconciled(self) -> tuple[ResourceKind[Any], ...]:
        """The kinds whose records the reconciler advances."""
        return tuple(kind for kind in self.kinds if kind.advance)

    @property
    def queued(self) -> tuple[ResourceKind[Any], ...]:
        """The kinds whose records wait for capacity of the machine."""
        return tuple(kind for kind in self.kinds if kind.is_queued)

    def find(self, prefix: str) -> ResourceKind[Any] | None:
        """Return the kind whose subjects begin with `prefix`."""
        return next((kind for kind in self.kinds if kind.prefix == prefix), None)
