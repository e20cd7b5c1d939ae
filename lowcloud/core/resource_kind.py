"""What a kind of resource is to the modules that handle every kind, and the registry of all kinds.

A subject declares its kinds as constants; `core/kinds.py` registers each once. Whoever has to know all of them
(reconciler, admission, environment garbage collection, tags, search) iterates `context.kinds`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table

if TYPE_CHECKING:
    from lowcloud.core.context import Context
    from lowcloud.core.control.reconciler import LeasedRecord


@dataclass(frozen=True, eq=False)
class ResourceKind:
    """One kind of resource. Its records are rows of `table`, each with a unique `name`."""

    noun: str  # in messages: "training job"
    prefix: str  # of subjects, under which events and tags are filed: "training-job"
    table: Table
    # One turn of the reconciler: the seconds until the next one, or None if the record was released or removed.
    # The table of such a kind has the columns of `tables.schema.lease`.
    advance: "Callable[[LeasedRecord], float | None] | None" = None
    is_queued: bool = False  # waits for capacity; the table has the columns of the queue (scheduling/admission.py)
    environments_in_use: Callable[[Connection, Table], set[str]] | None = None  # Python environments of its records
    reserved_memory: "Callable[[Context, Connection], int] | None" = None  # bytes of the machine that jobs cannot use
    suspend: "Callable[[Context], None] | None" = None  # called when the last server of a store shuts down

    def subject(self, name: str) -> str:
        """What events and tags of a record are filed under."""
        return f"{self.prefix}/{name}"


# Advances a periodic task by one step. Takes its saved progress; returns the new progress and the seconds to the next
# step.
TaskStep = Callable[["Context", Mapping[str, Any]], tuple[dict[str, Any], float]]


@dataclass(frozen=True)
class PeriodicTask:
    """Something that the server does again and again; where it stands is one row (control/periodic_tasks.py)."""

    name: str
    step: TaskStep
    starts_immediately: bool = False  # otherwise a day after the store was created: a new store has nothing to look for


@dataclass(frozen=True)
class Registry:
    """Every kind of resource and every periodic task of a cloud."""

    kinds: tuple[ResourceKind, ...]
    tasks: tuple[PeriodicTask, ...] = ()

    def __iter__(self) -> Iterator[ResourceKind]:
        return iter(self.kinds)

    @property
    def reconciled(self) -> tuple[ResourceKind, ...]:
        """The kinds whose records the reconciler advances."""
        return tuple(kind for kind in self.kinds if kind.advance)

    @property
    def queued(self) -> tuple[ResourceKind, ...]:
        """The kinds whose records wait for capacity of the machine."""
        return tuple(kind for kind in self.kinds if kind.is_queued)

    def find(self, prefix: str) -> ResourceKind | None:
        """The kind whose subjects begin with `prefix`."""
        return next((kind for kind in self.kinds if kind.prefix == prefix), None)
