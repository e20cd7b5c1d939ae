"""Lineage: artifacts, actions and contexts, alike but for their kind, and associations: what came from what.

What is associated is named by its subject: "artifact/NAME", "experiment-trial-component/NAME", "experiment/NAME".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from hashlib import sha256
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, insert, or_, select, update

from lowcloud.core import resources, tags
from lowcloud.core.context import Context
from lowcloud.core.errors import AlreadyExistsError, InUseError, InvalidError, NotFoundError
from lowcloud.core.named_rows import is_named_in
from lowcloud.core.tracking import experiments, trial_components, trials
from lowcloud.core.tracking.experiments import Experiment
from lowcloud.core.tracking.trial_components import TrialComponent
from lowcloud.store.db import tables, upsert
from lowcloud.store.db.tables import associations, lineage_entities

PROPERTIES_LIMIT = 30
OWN = "subject:"  # begins the source of what tells of a resource of this cloud: its subject follows
AT_ONCE = 500  # names in one statement


class EntityKind(StrEnum):
    """What an entity is: a thing, something done, or what things belong to."""

    ARTIFACT = "artifact"
    ACTION = "action"
    CONTEXT = "context"


class Edge(StrEnum):
    """What an association says of its source."""

    CONTRIBUTED_TO = "ContributedTo"
    ASSOCIATED_WITH = "AssociatedWith"
    DERIVED_FROM = "DerivedFrom"
    PRODUCED = "Produced"
    SAME_AS = "SameAs"


@dataclass(frozen=True)
class Entity:
    """An artifact, an action or a context. Times are seconds since the epoch."""

    kind: EntityKind
    name: str  # of an artifact: made from its source
    type: str  # "DataSet", "Image", "Model", "ModelDeployment", "Endpoint" or the user's own word
    source: str  # a URI, or OWN and a subject
    created_at: float
    modified_at: float
    display_name: str | None = None
    source_details: Mapping[str, str] = field(default_factory=dict)  # of an artifact: its version, hash or tag
    status: str | None = None
    description: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        return f"{self.kind}/{self.name}"


class End(Protocol):
    """What can be associated."""

    @property
    def subject(self) -> str: ...
    @property
    def type(self) -> str: ...


@dataclass(frozen=True)
class Association:
    """One thing has to do with another."""

    name: str
    source: str
    source_type: str
    destination: str
    destination_type: str
    created_at: float
    type: str | None = None


@dataclass(frozen=True)
class Described:
    """What can be associated: an entity, or what experiments know."""

    subject: str
    kind: str  # "artifact", "action", "context", "trial component" or "experiment"
    type: str  # an entity's; of a trial component the kind of its job, e.g. "training-job", or ""
    created_at: float
    modified_at: float
    shown_name: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)


def artifact(type_: str, source: str, now: float, details: Mapping[str, str] | None = None) -> Entity:
    """An artifact, named so that the same version of the same source has one name."""
    told = "\n".join([source, *(f"{key}={value}" for key, value in sorted((details or {}).items()))])
    name = sha256(told.encode()).hexdigest()[:32]
    return Entity(EntityKind.ARTIFACT, name, type_, source, now, now, source_details=dict(details or {}))


def link(source: End, destination: End, edge: str | None, now: float) -> Association:
    """The association that leads from one to the other."""
    name = _edge_name(source.subject, destination.subject)
    return Association(name, source.subject, source.type, destination.subject, destination.type, now, edge)


def create(context: Context, entity: Entity, labels: Mapping[str, str] | None = None) -> None:
    """Keep an entity; an artifact that is there just so is no error. Raises AlreadyExistsError and InvalidError."""
    _check(entity)
    try:
        resources.add(context, lineage_entities, entity.kind, entity.subject, asdict(entity), labels)
    except AlreadyExistsError:
        there = find(context, entity.kind, entity.name)
        same = replace(there, created_at=entity.created_at, modified_at=entity.modified_at)
        if entity.kind != EntityKind.ARTIFACT or same != entity:
            raise


def find(context: Context, kind: EntityKind, name: str) -> Entity:
    """The entity of this name. Raises NotFoundError."""
    with context.database.read() as connection:
        return _require(connection, kind, name)


def change(
    context: Context,
    kind: EntityKind,
    name: str,
    values: Mapping[str, Any],
    put: Mapping[str, str],
    drop: Iterable[str],
) -> Entity:
    """Set columns, put properties and drop others. Raises NotFoundError and InvalidError."""
    with context.database.transaction() as connection:
        before = _require(connection, kind, name)
        dropped = set(drop)
        kept = {key: value for key, value in before.properties.items() if key not in dropped}
        after = replace(before, **values, properties={**kept, **put}, modified_at=context.now())
        _check(after)
        connection.execute(update(lineage_entities).where(_is(kind, name)).values(**asdict(after)))
    return after


def remove(context: Context, kind: EntityKind, name: str) -> None:
    """Forget an entity that nothing is associated with. Raises NotFoundError and InUseError."""
    with context.database.transaction() as connection:
        found = _require(connection, kind, name)
        ends = or_(associations.c.source == found.subject, associations.c.destination == found.subject)
        if connection.execute(select(associations).where(ends).limit(1)).first():
            raise InUseError(f"The {kind} {name!r} has associations and cannot be deleted: delete those first.")
        connection.execute(delete(lineage_entities).where(_is(kind, name)))
        tags.forget(connection, found.subject)


def associate(context: Context, source: str, destination: str, edge: str | None) -> None:
    """Say that two things have to do with each other.

    Raises NotFoundError for either, AlreadyExistsError and InvalidError.
    """
    if source == destination:
        raise InvalidError("Nothing can be associated with itself.")
    if source.startswith("experiment") and destination.startswith("experiment"):
        raise InvalidError("Associations cannot be created between two experiment entities.")
    with context.database.transaction() as connection:
        there = described(connection, [source, destination])
        for end in (source, destination):
            if end not in there:
                raise NotFoundError(*end.split("/", 1))
        new = link(there[source], there[destination], edge, context.now())
        if connection.execute(select(associations.c.name).where(associations.c.name == new.name)).first():
            raise AlreadyExistsError("association", f"{source} -> {destination}")
        connection.execute(insert(associations).values(**vars(new)))


def dissociate(context: Context, source: str, destination: str) -> None:
    """Take an association back. Raises NotFoundError."""
    is_it = associations.c.name == _edge_name(source, destination)
    with context.database.transaction() as connection:
        if connection.execute(delete(associations).where(is_it)).rowcount == 0:
            raise NotFoundError("association", f"{source} -> {destination}")


def enter(connection: Connection, entities: Sequence[Entity], edges: Sequence[Association]) -> None:
    """Keep what is not there yet, within a transaction; what is there stays as it is."""
    upsert.insert_all_missing(connection, lineage_entities, [asdict(entity) for entity in entities])
    upsert.insert_all_missing(connection, associations, [asdict(edge) for edge in edges])


def with_source(connection: Connection, source: str, details: Mapping[str, str]) -> Entity | None:
    """The artifact of this very version of a source, else the newest of the source, or None."""
    is_its = (lineage_entities.c.kind == EntityKind.ARTIFACT, lineage_entities.c.source == source)
    rows = connection.execute(select(lineage_entities).where(*is_its).order_by(lineage_entities.c.created_at.desc()))
    found = [from_row(row) for row in rows]
    exact = [entity for entity in found if entity.source_details == details]
    return next(iter([*exact, *found]), None)


def described(connection: Connection, subjects: Iterable[str]) -> dict[str, Described]:
    """What is known of each of these subjects; those that do not exist are left out."""
    names: dict[str, list[str]] = {}
    for subject in subjects:
        kind, _, name = subject.partition("/")
        names.setdefault(kind, []).append(name)
    found: dict[str, Described] = {}
    for kind, of_kind in names.items():
        for start in range(0, len(of_kind), AT_ONCE):
            for one in _described(connection, kind, of_kind[start : start + AT_ONCE]):
                found[one.subject] = one
    return found


def of_component(component: TrialComponent) -> Described:
    """A trial component as an end of associations."""
    subject, shown = trial_components.subject(component.name), component.display_name or component.name
    kind = (component.source or "").partition("/")[0]
    return Described(subject, trials.COMPONENT, kind, component.created_at, component.modified_at, shown)


def from_row(row: Row[Any]) -> Entity:
    """The entity that a row of the table holds."""
    return Entity(**{**row._mapping, "kind": EntityKind(row.kind)})


def _described(connection: Connection, kind: str, names: Sequence[str]) -> Iterable[Described]:
    if kind == "experiment-trial-component":
        return [of_component(one) for one in trial_components.named(connection, names)]
    if kind == "experiment":
        rows = connection.execute(select(tables.experiments).where(is_named_in(tables.experiments, names)))
        return [_of_experiment(experiments.from_row(row)) for row in rows]
    its = and_(lineage_entities.c.kind == kind, lineage_entities.c.name.in_(names))
    return [_of_entity(from_row(row)) for row in connection.execute(select(lineage_entities).where(its))]


def _of_experiment(one: Experiment) -> Described:
    return Described(experiments.subject(one.name), experiments.KIND, "", one.created_at, one.modified_at, one.name)


def _of_entity(one: Entity) -> Described:
    shown = one.display_name if one.kind == EntityKind.ARTIFACT else one.name
    return Described(one.subject, one.kind, one.type, one.created_at, one.modified_at, shown, one.properties)


def _require(connection: Connection, kind: EntityKind, name: str) -> Entity:
    row = connection.execute(select(lineage_entities).where(_is(kind, name))).one_or_none()
    if row is None:
        raise NotFoundError(kind, name)
    return from_row(row)


def _is(kind: EntityKind, name: str) -> ColumnElement[bool]:
    return and_(lineage_entities.c.kind == kind, lineage_entities.c.name == name)


def _edge_name(source: str, destination: str) -> str:
    return f"{source} {destination}"


def _check(entity: Entity) -> None:
    if len(entity.properties) > PROPERTIES_LIMIT:
        raise InvalidError(f"The {entity.kind} can have at most {PROPERTIES_LIMIT} properties.")
