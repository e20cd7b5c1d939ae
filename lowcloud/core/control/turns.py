"""One turn of a record: observe, step, save, act, until there is nothing to do now.

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
    """The life of one kind of record."""

    def observe(self, record: Record) -> Observation:
        """Return the facts that the first step of a turn decides on."""

    def step(self, record: Record, seen: Observation, now: float) -> tuple[Record, Action | None]:
        """Return the next state of the record and what is to be done in it. Pure."""

    def save(self, before: Record, after: Record) -> None:
        """Save the result of a step. Raises LeaseLostError and SupersededError."""

    def perform(self, record: Record, action: Action) -> Observation:
        """Perform an action, which is safe to repeat, and return what is observed after it."""

    def refresh(self, record: Record) -> Record:
        """Return the record with what was requested of it while an action was performed, which may take long."""


def take_turn(
    lifecycle: Lifecycle[Record, Observation, Action], record: Record, clock: Callable[[], float]
) -> tuple[Record, Observation]:
    """Return the record and what was last observed, once a step asks for no action, or for the one just performed.

    A process that is killed between any two of these leaves nothing undone: the next turn observes and goes on.
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
