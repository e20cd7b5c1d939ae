"""Events: every change of state of a resource, with its time and a message."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from lowcloud.core.context import Context
from lowcloud.store.db.tables.resources import events


@dataclass(frozen=True)
class Event:
    """One change of state, at seconds since the epoch."""

    at: float
    state: str
    message: str


def record(connection: Connection, subject: str, event: Event) -> None:
    """Add an event to the history of a subject, e.g. "training-job/NAME"."""
    connection.execute(insert(events).values(subject=subject, at=event.at, state=event.state, message=event.message))


def of(connection: Connection, subject: str) -> list[Event]:
    """Return a subject's events, oldest first."""
    rows = connection.execute(select(events).where(events.c.subject == subject).order_by(events.c.id))
    return [Event(row.at, row.state, row.message) for row in rows]


def of_many(context: Context, subjects: Sequence[str]) -> dict[str, list[Event]]:
    """Return the events of each of these subjects that has any, oldest first."""
    found: dict[str, list[Event]] = {}
    statement = select(events).where(events.c.subject.in_(subjects)).order_by(events.c.subject, events.c.id)
    with context.database.read() as connection:
        for row in connection.execute(statement):
            found.setdefault(row.subject, []).append(Event(row.at, row.state, row.message))
    return found


def delete_all(connection: Connection, subject: str) -> None:
    """Delete a subject's events, since its name may be used again."""
    connection.execute(delete(events).where(events.c.subject == subject))
