"""Queries of the lineage graph: the ancestors and descendants of a vertex."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, select

from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidPageTokenError, NotFoundError
from lowcloud.core.tracking.associations import ASSOCIATION, BATCH_SIZE, Association, Vertex, find_vertices
from lowcloud.store.db import pages
from lowcloud.store.db.tables.tracking import associations


class Direction(StrEnum):
    """Against the direction of the associations, in it, or both."""

    ASCENDANTS = "Ascendants"
    DESCENDANTS = "Descendants"
    BOTH = "Both"


@dataclass(frozen=True)
class Graph:
    """A page of the vertices found, the nearest first, and every association that was followed."""

    vertices: tuple[Vertex, ...]
    edges: tuple[Association, ...]
    next_token: str | None  # None: this is the last page


def walk(
    context: Context,
    starts: Sequence[str],
    direction: Direction,
    depth: int,
    admits: Callable[[Vertex], bool],
    limit: int,
    token: str | None = None,
) -> Graph:
    """Return the admitted vertices within `depth` associations of the start subjects, including those.

    Vertices that are not admitted are passed through all the same. No further associations are followed once the page
    is full, so that the first page of a large graph costs little. Raises NotFoundError for a start, and
    InvalidPageTokenError.
    """
    begin = _read_offset(token)
    end = begin + limit
    with context.database.read() as connection:
        walked = _Walk(connection, admits)
        walked.add(starts)
        for start in starts:
            if not walked.has_found(start):
                raise NotFoundError(*start.split("/", 1))
        for way in (Direction.ASCENDANTS, Direction.DESCENDANTS):
            if direction in (way, Direction.BOTH):
                _follow(walked, starts, way, depth, end + 1)
    next_token = pages.offset_token(end) if len(walked.admitted) > end else None
    return Graph(tuple(walked.admitted[begin:end]), tuple(walked.edges.values()), next_token)


class _Walk:
    """The results of a walk so far."""

    def __init__(self, connection: Connection, admits: Callable[[Vertex], bool]):
        self.admitted: list[Vertex] = []
        self.edges: dict[str, Association] = {}
        self._connection = connection
        self._admits = admits
        self._known: dict[str, Vertex] = {}

    def add(self, subjects: Sequence[str]) -> None:
        """Find the vertices of these subjects, of which some may be known already."""
        new = [subject for subject in subjects if subject not in self._known]
        found = find_vertices(self._connection, new)
        self._known |= found
        self.admitted += [found[one] for one in new if one in found and self._admits(found[one])]

    def has_found(self, subject: str) -> bool:
        return subject in self._known

    def edges_at(self, subjects: Sequence[str], way: Direction) -> list[Association]:
        """Return the associations that lead from these subjects to the next ones."""
        near = associations.c.destination if way == Direction.ASCENDANTS else associations.c.source
        found: list[Association] = []
        for start in range(0, len(subjects), BATCH_SIZE):
            of_batch = select(associations).where(near.in_(subjects[start : start + BATCH_SIZE]))
            ordered = of_batch.order_by(associations.c.created_at, associations.c.name)
            found += [ASSOCIATION.load(row) for row in self._connection.execute(ordered)]
        self.edges |= {edge.name: edge for edge in found}
        return found


def _read_offset(token: str | None) -> int:
    try:
        return 0 if token is None else pages.read_offset(token)
    except pages.InvalidTokenError as error:
        raise InvalidPageTokenError(str(error)) from error


def _follow(walked: _Walk, starts: Sequence[str], way: Direction, depth: int, enough: int) -> None:
    seen, frontier = set(starts), list(starts)
    for _ in range(depth):
        if not frontier or len(walked.admitted) >= enough:
            return
        edges = walked.edges_at(frontier, way)
        ends = [edge.source if way == Direction.ASCENDANTS else edge.destination for edge in edges]
        frontier = [end for end in dict.fromkeys(ends) if end not in seen]
        seen.update(frontier)
        walked.add(frontier)
