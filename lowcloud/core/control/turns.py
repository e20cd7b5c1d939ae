"""Turns of records: observe, step, save, act, until there is nothing to do now.

Jobs, endpoints and environment builds take their turns here. What differs between them is a `Lifecycle`: how facts are
observed, the pure `step` that decides on them, how its result is saved, and how its actions are performed.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

Record = TypeVar("Record")
Observation = TypeVar("Observation")
Action = TypeVar("Action")


class SupersededError(Exception):
    """A request has changed the record since it was read, so that the result of a step was not saved."""


class Lifecycle(Protocol[Record, Observation, Action]):
    """The lifecycle of one kind of record."""

    def observe(self, record: Record) -> Observation:
        """Return the facts that the first step of a turn decides on."""

    def step(self, record: Record, seen: Observation, now: float) -> tuple[Record, Action | None]:
        """Return the next state of the record and the action to perform in it, if any. Pure."""

    def save(self, before: Record, after: Record) -> None:
        """Save the result of a step. Raises LeaseLostError and SupersededError."""

    def perform(self, record: Record, action: Action) -> Observation:
        """Perform an action, which is safe to repeat, and return what is observed after it."""

    def refresh(self, record: Record) -> Record:
        """Return the record with what was requested of it while an action was performed, which may take long."""


def take_turn(
    lifecycle: Lifecycle[Record, Observation, Action], record: Record, clock: Callable[[], float]
) -> tuple[Record, Observation]:
    """Alternate steps and actions until a step returns no action, or the one just performed.

    Return the record and the last observation. A process may be killed at any point: the next turn observes, and
    continues from there.
    """
    seen = lifecycle.observe(record)
    performed: Action | None = None
    while True:
        before = record
        record, action = lifecycle.step(record, seen, clock())
        if record != before:
            lifecycle.save(before, record)
        if action is None or action == performed:
            return record, seen
        seen = lifecycle.perform(record, action)
        performed = action
        record = lifecycle.refresh(record)
