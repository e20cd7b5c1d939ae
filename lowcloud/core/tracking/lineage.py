"""Lineage entities: artifacts, actions and contexts. They differ only in their kind."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, or_, select

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import AlreadyExistsError, InUseError, InvalidError
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.core.resources import Page, Query
from lowcloud.store.db.tables.tracking import associations, lineage_entities

PROPERTIES_LIMIT = 30
SUBJECT_SCHEME = "subject:"  # of the source of an entity that describes a resource of this cloud; its subject follows


class EntityKind(StrEnum):
    """A thing (artifact), something done (action), or what both belong to (context)."""

    ARTIFACT = "artifact"
    ACTION = "action"
    CONTEXT = "context"


def _kind(kind: EntityKind) -> ResourceKind:
    return ResourceKind(kind, kind, lineage_entities, condition=lineage_entities.c.kind == kind)


ARTIFACT, ACTION, CONTEXT = (_kind(kind) for kind in EntityKind)
KINDS: Mapping[str, ResourceKind] = {kind.noun: kind for kind in (ARTIFACT, ACTION, CONTEXT)}


@dataclass(frozen=True)
class Entity:
    """An artifact, an action or a context. Times are seconds since the epoch."""

    kind: EntityKind
    name: str  # of an artifact: derived from its source
    type: str  # "DataSet", "Image", "Model", "ModelDeployment", "Endpoint" or a type of the user's
    source: str  # a URI, or SUBJECT_SCHEME and a subject
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
        return KINDS[self.kind].subject(self.name)


def artifact(type_: str, source: str, now: float, details: Mapping[str, str] | None = None) -> Entity:
    """Return an artifact with the one name that this version of its source has."""
    identity = "\n".join([source, *(f"{key}={value}" for key, value in sorted((details or {}).items()))])
    name = sha256(identity.encode()).hexdigest()[:32]
    return Entity(EntityKind.ARTIFACT, name, type_, source, now, now, source_details=dict(details or {}))


def create(context: Context, entity: Entity, labels: Mapping[str, str] | None = None) -> None:
    """Create an entity, unless it is an artifact that exists and is equal.

    Raises AlreadyExistsError and InvalidError.
    """
    _check(entity)
    try:
        resources.create(context, KINDS[entity.kind], asdict(entity), labels)
    except AlreadyExistsError:
        existing = find(context, entity.kind, entity.name)
        same = replace(existing, created_at=entity.created_at, modified_at=entity.modified_at)
        if entity.kind != EntityKind.ARTIFACT or same != entity:
            raise


def find(context: Context, kind: EntityKind, name: str) -> Entity:
    """Return the entity of this name. Raises NotFoundError."""
    return from_row(resources.find(context, KINDS[kind], name))


def list_page(context: Context, kind: EntityKind, query: Query) -> Page[Entity]:
    """Return a page of entities of one kind. Raises InvalidPageTokenError."""
    return resources.list_page(context, KINDS[kind], query, from_row)


def change(
    context: Context,
    kind: EntityKind,
    name: str,
    values: Mapping[str, Any],
    put: Mapping[str, str],
    drop: Iterable[str],
) -> Entity:
    """Set columns, and set and remove properties. Raises NotFoundError and InvalidError."""
    with context.database.transaction() as connection:
        before = from_row(resources.require(connection, KINDS[kind], name))
        dropped = set(drop)
        kept = {key: value for key, value in before.properties.items() if key not in dropped}
        after = replace(before, **values, properties={**kept, **put}, modified_at=context.now())
        _check(after)
        resources.save(connection, KINDS[kind], name, asdict(after))
    return after


def remove(context: Context, kind: EntityKind, name: str) -> None:
    """Delete an entity that has no associations. Raises NotFoundError and InUseError."""

    def require_unassociated(connection: Connection, name: str) -> None:
        subject = KINDS[kind].subject(name)
        if resources.exists(connection, or_(associations.c.source == subject, associations.c.destination == subject)):
            raise InUseError(f"The {kind} {name!r} has associations and cannot be deleted: delete those first.")

    resources.remove(context, KINDS[kind], name, require_unassociated)


def with_source(connection: Connection, source: str, details: Mapping[str, str]) -> Entity | None:
    """Return the artifact of exactly this version of a source, otherwise the newest of the source, or None."""
    is_of_source = (ARTIFACT.condition, lineage_entities.c.source == source)
    newest_first = select(lineage_entities).where(*is_of_source).order_by(lineage_entities.c.created_at.desc())
    found = [from_row(row) for row in connection.execute(newest_first)]
    exact = [entity for entity in found if entity.source_details == details]
    return next(iter([*exact, *found]), None)


def from_row(row: Row[Any]) -> Entity:
    """Return the entity in a row of the table."""
    return Entity(**{**row._mapping, "kind": EntityKind(row.kind)})


def _check(entity: Entity) -> None:
    if len(entity.properties) > PROPERTIES_LIMIT:
        raise InvalidError(f"The {entity.kind} can have at most {PROPERTIES_LIMIT} properties.")
