"""Queries of the lineage graph: what led to something, and what came of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, select

from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.core.tracking import lineage
from lowcloud.core.tracking.lineage import AT_ONCE, Association, Described
from lowcloud.store.db.tables import associations


class Direction(StrEnum):
    """Against the associations, along them, or both."""

    ASCENDANTS = "Ascendants"
    DESCENDANTS = "Descendants"
    BOTH = "Both"


@dataclass(frozen=True)
class Graph:
    """What was reached and is wanted, the nearest first, and every association that was followed."""

    vertices: tuple[Described, ...]
    edges: tuple[Association, ...]


def walk(
    context: Context,
    starts: Sequence[str],
    direction: Direction,
    depth: int,
    is_wanted: Callable[[Described], bool],
    enough: int,
) -> Graph:
    """What lies within `depth` associations of the starts and is wanted, the starts themselves among it.

    What is not wanted is passed through all the same. No further associations are followed once `enough` vertices are
    found, so that the start of a large graph costs little. Raises NotFoundError for a start.
    """
    with context.database.read() as connection:
        found = _Found(connection, is_wanted)
        found.add(starts)
        for start in starts:
            if not found.exists(start):
                raise NotFoundError(*start.split("/", 1))
        for way in (Direction.ASCENDANTS, Direction.DESCENDANTS):
            if direction in (way, Direction.BOTH):
                _follow(found, starts, way, depth, enough)
    return Graph(tuple(found.wanted), tuple(found.edges.values()))


class _Found:
    """What a walk has come to so far."""

    def __init__(self, connection: Connection, is_wanted: Callable[[Described], bool]):
        self.wanted: list[Described] = []
        self.edges: dict[str, Association] = {}
        self._connection = connection
        self._is_wanted = is_wanted
        self._known: dict[str, Described] = {}

    def add(self, subjects: Sequence[str]) -> None:
        """Come to these, some perhaps again."""
        new = [subject for subject in subjects if subject not in self._known]
        described = lineage.described(self._connection, new)
        self._known |= described
        self.wanted += [described[one] for one in new if one in described and self._is_wanted(described[one])]

    def exists(self, subject: str) -> bool:
        return subject in self._known

    def edges_at(self, subjects: Sequence[str], way: Direction) -> list[Association]:
        """The associations that lead from these to the next ones."""
        near = associations.c.destination if way == Direction.ASCENDANTS else associations.c.source
        found: list[Association] = []
        for start in range(0, len(subjects), AT_ONCE):
            of_some = select(associations).where(near.in_(subjects[start : start + AT_ONCE]))
            ordered = of_some.order_by(associations.c.created_at, associations.c.name)
            found += [Association(**row._mapping) for row in self._connection.execute(ordered)]
        self.edges |= {edge.name: edge for edge in found}
        return found


def _follow(found: _Found, starts: Sequence[str], way: Direction, depth: int, enough: int) -> None:
    seen, frontier = set(starts), list(starts)
    for _ in range(depth):
        if not frontier or len(found.wanted) >= enough:
            return
        edges = found.edges_at(frontier, way)
        ends = [edge.source if way == Direction.ASCENDANTS else edge.destination for edge in edges]
        frontier = [end for end in dict.fromkeys(ends) if end not in seen]
        seen.update(frontier)
        found.add(frontier)
