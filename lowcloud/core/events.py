"""Events: every change of state of anything, with its time and a sentence."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select

from lowcloud.store.db.tables import events


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


def of_many(connection: Connection, subjects: Sequence[str]) -> dict[str, list[Event]]:
    """The events of each of these subjects, oldest first."""
    found: dict[str, list[Event]] = {}
    of_all = select(events).where(events.c.subject.in_(subjects)).order_by(events.c.subject, events.c.id)
    for row in connection.execute(of_all):
        found.setdefault(row.subject, []).append(Event(row.at, row.state, row.message))
    return found


def forget(connection: Connection, subject: str) -> None:
    """Drop a subject's events; its name may come again."""
    connection.execute(delete(events).where(events.c.subject == subject))
