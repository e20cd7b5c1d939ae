"""Events: every change of state of anything, with its time and a sentence."""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from lowcloud.store.tables import events


@dataclass(frozen=True)
class Event:
    """One change of state, at seconds since the epoch."""

    at: float
    state: str
    message: str


def record(connection: Connection, subject: str, event: Event) -> None:
    """Add an event to what a subject, e.g. "training-job/NAME", has gone through."""
    connection.execute(insert(events).values(subject=subject, at=event.at, state=event.state, message=event.message))


def of(connection: Connection, subject: str) -> list[Event]:
    """A subject's events, oldest first."""
    rows = connection.execute(select(events).where(events.c.subject == subject).order_by(events.c.id))
    return [Event(row.at, row.state, row.message) for row in rows]


def forget(connection: Connection, subject: str) -> None:
    """Drop a subject's events; its name may come again."""
    connection.execute(delete(events).where(events.c.subject == subject))
