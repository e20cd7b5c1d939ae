"""Associations: the edges of the lineage graph, each from one vertex to another.

A vertex is named by its subject: "artifact/NAME", "experiment-trial-component/NAME", "experiment/NAME".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Protocol

from sqlalchemy import Connection, insert, or_

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import AlreadyExistsError, InvalidError, NotFoundError
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.core.resources import Condition
from lowcloud.core.tracking import lineage
from lowcloud.core.tracking.experiments import EXPERIMENT, Experiment
from lowcloud.core.tracking.lineage import Entity, EntityKind
from lowcloud.core.tracking.trial_components import COMPONENT, TrialComponent
from lowcloud.store.db import upsert
from lowcloud.store.db.tables.tracking import associations, lineage_entities

ASSOCIATION = ResourceKind(
    "association", "association", associations, lambda row: Association(**row._mapping), has_tags=False
)
BATCH_SIZE = 500  # names in one statement


class Edge(StrEnum):
    """The relation of the source of an association to its destination."""

    CONTRIBUTED_TO = "ContributedTo"
    ASSOCIATED_WITH = "AssociatedWith"
    DERIVED_FROM = "DerivedFrom"
    PRODUCED = "Produced"
    SAME_AS = "SameAs"


class End(Protocol):
    """An end of an association: an entity or a vertex."""

    @property
    def subject(self) -> str: ...
    @property
    def type(self) -> str: ...


@dataclass(frozen=True)
class Association:
    """An edge of the lineage graph."""

    name: str
    source: str
    source_type: str
    destination: str
    destination_type: str
    created_at: float
    type: str | None = None


@dataclass(frozen=True)
class Vertex:
    """An entity, a trial component or an experiment as a vertex of the lineage graph."""

    subject: str
    kind: str  # "artifact", "action", "context", "trial component" or "experiment"
    type: str  # an entity's; of a trial component the kind of its job, e.g. "training-job", or ""
    created_at: float
    modified_at: float
    display_name: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)


def link(source: End, destination: End, edge: str | None, now: float) -> Association:
    """Return the association from one to the other, without storing it."""
    name = _name(source.subject, destination.subject)
    return Association(name, source.subject, source.type, destination.subject, destination.type, now, edge)


def create(context: Context, source: str, destination: str, edge: str | None) -> None:
    """Associate two subjects. Raises NotFoundError for either, AlreadyExistsError and InvalidError."""
    if source == destination:
        raise InvalidError("A resource cannot be associated with itself.")
    if source.startswith("experiment") and destination.startswith("experiment"):
        raise InvalidError("Associations cannot be created between two experiment entities.")
    with context.database.transaction() as connection:
        ends = find_vertices(connection, [source, destination])
        for end in (source, destination):
            if end not in ends:
                raise NotFoundError(*end.split("/", 1))
        new = link(ends[source], ends[destination], edge, context.now())
        if resources.exists(connection, associations.c.name == new.name):
            raise AlreadyExistsError(ASSOCIATION.noun, f"{source} -> {destination}")
        connection.execute(insert(associations).values(**vars(new)))


def delete(context: Context, source: str, destination: str) -> None:
    """Delete the association from one subject to another. Raises NotFoundError."""
    is_named = associations.c.name == _name(source, destination)
    with context.database.transaction() as connection:
        if connection.execute(associations.delete().where(is_named)).rowcount == 0:
            raise NotFoundError(ASSOCIATION.noun, f"{source} -> {destination}")


def type_conditions(source_type: str | None, destination_type: str | None) -> list[Condition]:
    """Return what associations meet whose ends have these types, if they are given.

    The name of a kind of entity, such as "action", is taken as a type too.
    """
    types = {"source": source_type, "destination": destination_type}
    return [_has_type(end, type_) for end, type_ in types.items() if type_ is not None]


def insert_missing(connection: Connection, entities: Sequence[Entity], edges: Sequence[Association]) -> None:
    """Insert those that do not exist, within a transaction; the others stay as they are."""
    upsert.insert_all_missing(connection, lineage_entities, [asdict(entity) for entity in entities])
    upsert.insert_all_missing(connection, associations, [asdict(edge) for edge in edges])


def vertices_of(context: Context, found: Iterable[Association]) -> dict[str, Vertex]:
    """Return the ends of these associations by subject, without those that no longer exist."""
    with context.database.read() as connection:
        return find_vertices(connection, {end for one in found for end in (one.source, one.destination)})


def find_vertices(connection: Connection, subjects: Iterable[str]) -> dict[str, Vertex]:
    """Return the vertices of these subjects, without those that do not exist."""
    names: dict[str, list[str]] = {}
    for subject in subjects:
        prefix, _, name = subject.partition("/")
        names.setdefault(prefix, []).append(name)
    found: dict[str, Vertex] = {}
    for prefix, of_kind in names.items():
        for start in range(0, len(of_kind), BATCH_SIZE):
            for vertex in _vertices(connection, prefix, of_kind[start : start + BATCH_SIZE]):
                found[vertex.subject] = vertex
    return found


def vertex_of_component(component: TrialComponent) -> Vertex:
    """Return a trial component as a vertex."""
    subject, display_name = COMPONENT.subject(component.name), component.display_name or component.name
    type_ = (component.source or "").partition("/")[0]
    return Vertex(subject, COMPONENT.noun, type_, component.created_at, component.modified_at, display_name)


def _vertices(connection: Connection, prefix: str, names: Sequence[str]) -> Iterable[Vertex]:
    if prefix == COMPONENT.prefix:
        return [vertex_of_component(one) for one in resources.find_all(connection, COMPONENT, names).values()]
    if prefix == EXPERIMENT.prefix:
        return [_vertex_of_experiment(one) for one in resources.find_all(connection, EXPERIMENT, names).values()]
    if prefix in lineage.KINDS:
        entities = resources.find_all(connection, lineage.KINDS[prefix], names)
        return [_vertex_of_entity(one) for one in entities.values()]
    return []


def _vertex_of_experiment(one: Experiment) -> Vertex:
    return Vertex(EXPERIMENT.subject(one.name), EXPERIMENT.noun, "", one.created_at, one.modified_at, one.name)


def _vertex_of_entity(one: Entity) -> Vertex:
    display_name = one.display_name if one.kind == EntityKind.ARTIFACT else one.name
    return Vertex(one.subject, one.kind, one.type, one.created_at, one.modified_at, display_name, one.properties)


def _has_type(end: str, type_: str) -> Condition:
    has_type = associations.c[f"{end}_type"] == type_
    if type_.lower() not in lineage.KINDS:
        return has_type
    return or_(has_type, associations.c[end].startswith(f"{type_.lower()}/"))


def _name(source: str, destination: str) -> str:
    return f"{source} {destination}"
