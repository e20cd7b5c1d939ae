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
from lowcloud.store.db.tables.tracking import associations, lineage_entities

PROPERTIES_LIMIT = 30
SUBJECT_SCHEME = "subject:"  # of the source of an entity that describes a resource of this cloud; its subject follows


class EntityKind(StrEnum):
    """A thing (artifact), something done (action), or what both belong to (context)."""

    ARTIFACT = "artifact"
    ACTION = "action"
    CONTEXT = "context"


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


def _load(row: Row[Any]) -> Entity:
    return Entity(**{**row._mapping, "kind": EntityKind(row.kind)})


def _kind(kind: EntityKind) -> ResourceKind[Entity]:
    return ResourceKind(kind, kind, lineage_entities, _load, conditions=(lineage_entities.c.kind == kind,))


ARTIFACT, ACTION, CONTEXT = (_kind(kind) for kind in EntityKind)
KINDS: Mapping[str, ResourceKind[Entity]] = {kind.noun: kind for kind in (ARTIFACT, ACTION, CONTEXT)}


def artifact(type_: str, source: str, now: float, details: Mapping[str, str] | None = None) -> Entity:
    """Return an artifact with the one name that this version of its source has."""
    identity = "\n".join([source, *(f"{key}={value}" for key, value in sorted((details or {}).items()))])
    name = sha256(identity.encode()).hexdigest()[:32]
    return Entity(EntityKind.ARTIFACT, name, type_, source, now, now, source_details=dict(details or {}))


def create(context: Context, entity: Entity, resource_tags: Mapping[str, str] | None = None) -> None:
    """Create an entity, unless it is an artifact that exists and is equal.

    Raises AlreadyExistsError and InvalidError.
    """
    _check(entity)
    try:
        resources.create(context, KINDS[entity.kind], asdict(entity), resource_tags)
    except AlreadyExistsError:
        existing = resources.find(context, KINDS[entity.kind], entity.name)
        same = replace(existing, created_at=entity.created_at, modified_at=entity.modified_at)
        if entity.kind != EntityKind.ARTIFACT or same != entity:
            raise


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
        before = resources.require(connection, KINDS[kind], name)
        properties = resources.merge(before.properties, put, drop)
        after = replace(before, **values, properties=properties, modified_at=context.now())
        _check(after)
        resources.save(connection, KINDS[kind], name, asdict(after))
    return after


def delete(context: Context, kind: EntityKind, name: str) -> None:
    """Delete an entity that has no associations. Raises NotFoundError and InUseError."""
    resources.delete(context, KINDS[kind], name, _require_unassociated)


def with_source(connection: Connection, source: str, details: Mapping[str, str]) -> Entity | None:
    """Return the artifact of exactly this version of a source, otherwise the newest of the source, or None."""
    is_of_source = (*ARTIFACT.conditions, lineage_entities.c.source == source)
    newest_first = select(lineage_entities).where(*is_of_source).order_by(lineage_entities.c.created_at.desc())
    found = [_load(row) for row in connection.execute(newest_first)]
    exact = [entity for entity in found if entity.source_details == details]
    return next(iter([*exact, *found]), None)


def _require_unassociated(connection: Connection, entity: Entity) -> None:
    ends = (associations.c.source, associations.c.destination)
    if resources.exists(connection, or_(*(end == entity.subject for end in ends))):
        raise InUseError(
            f"The {entity.kind} {entity.name!r} has associations and cannot be deleted: delete those first."
        )


def _check(entity: Entity) -> None:
    if len(entity.properties) > PROPERTIES_LIMIT:
        raise InvalidError(f"The {entity.kind} can have at most {PROPERTIES_LIMIT} properties.")
