"""Functions for all lineage entities, and the operations on actions and contexts, which differ in name only."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from lowcloud.api.aws.access.permissions import creates, on, on_any
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.errors import tracking_errors
from lowcloud.api.aws.services.sagemaker.lists import list_answer
from lowcloud.api.aws.services.sagemaker.sources import format_metadata, format_source, read_metadata, read_source
from lowcloud.api.aws.services.sagemaker.translation import arn_of, name_of, read_tags, times
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.tracking import lineage
from lowcloud.core.tracking.lineage import KINDS, Entity, EntityKind

DETAILS = ("SourceType", "SourceId")  # members of the Source of an action or a context, in addition to SourceUri
SUMMARY_EXCLUDES = ("Properties", "Description", "MetadataProperties")


def create(kind: EntityKind, context: Context, _caller: Caller, request: Request) -> Answer:
    """Create an action or a context; its name must be free."""
    name, source, now = kind.capitalize(), request["Source"], context.now()
    entity = Entity(
        kind=kind,
        name=request[f"{name}Name"],
        type=request[f"{name}Type"],
        source=read_source(context, source["SourceUri"]),
        created_at=now,
        modified_at=now,
        source_details={member: source[member] for member in DETAILS if member in source},
        status=request.get("Status"),
        description=request.get("Description"),
        properties=dict(request.get("Properties", {})),
        metadata=read_metadata(request),
    )
    with tracking_errors():
        lineage.create(context, entity, read_tags(request))
    return arn_member(context, kind, entity.name)


def describe(kind: EntityKind, context: Context, _caller: Caller, request: Request) -> Answer:
    """Describe an action or a context by its name or ARN."""
    with tracking_errors():
        entity = resources.find(context, KINDS[kind], name_of(context, request[f"{kind.capitalize()}Name"]))
    return _format(context, entity)


def list_all(kind: EntityKind, context: Context, _caller: Caller, request: Request) -> Answer:
    """List actions or contexts: those of a source or a type if requested."""
    return list_entities(context, request, kind, _format)


def update(kind: EntityKind, context: Context, _caller: Caller, request: Request) -> Answer:
    """Change the status, the description and properties of an action or a context."""
    columns = {"Status": "status", "Description": "description"}
    values = {column: request[member] for member, column in columns.items() if member in request}
    return update_entity(context, request, kind, request[f"{kind.capitalize()}Name"], values)


def delete(kind: EntityKind, context: Context, _caller: Caller, request: Request) -> Answer:
    """Delete an action or a context; its associations must be deleted before."""
    return delete_entity(context, kind, request[f"{kind.capitalize()}Name"])


operation("sagemaker", "CreateAction", creates("action/{ActionName}"))(partial(create, EntityKind.ACTION))
operation("sagemaker", "DescribeAction", on("action/{ActionName}"))(partial(describe, EntityKind.ACTION))
operation("sagemaker", "ListActions", on_any())(partial(list_all, EntityKind.ACTION))
operation("sagemaker", "UpdateAction", on("action/{ActionName}"))(partial(update, EntityKind.ACTION))
operation("sagemaker", "DeleteAction", on("action/{ActionName}"))(partial(delete, EntityKind.ACTION))

operation("sagemaker", "CreateContext", creates("context/{ContextName}"))(partial(create, EntityKind.CONTEXT))
operation("sagemaker", "DescribeContext", on("context/{ContextName}"))(partial(describe, EntityKind.CONTEXT))
operation("sagemaker", "ListContexts", on_any())(partial(list_all, EntityKind.CONTEXT))
operation("sagemaker", "UpdateContext", on("context/{ContextName}"))(partial(update, EntityKind.CONTEXT))
operation("sagemaker", "DeleteContext", on("context/{ContextName}"))(partial(delete, EntityKind.CONTEXT))


def format_entity(context: Context, entity: Entity) -> dict[str, Any]:
    """Return the members that entities of every kind have; the Source differs."""
    name = entity.kind.capitalize()
    return {
        f"{name}Name": entity.display_name if entity.kind == EntityKind.ARTIFACT else entity.name,
        **arn_member(context, entity.kind, entity.name),
        f"{name}Type": entity.type,
        "Properties": dict(entity.properties),
        "Description": entity.description,
        "Status": entity.status,
        "MetadataProperties": format_metadata(entity.metadata),
        **times(entity),
    }


def list_entities(
    context: Context, request: Request, kind: EntityKind, describe: Callable[[Context, Entity], Mapping[str, Any]]
) -> Answer:
    """Return a page of entities of one kind: those of a source or a type if requested, newest first by default."""

    def summarize(context: Context, entity: Entity) -> dict[str, Any]:
        return {name: value for name, value in describe(context, entity).items() if name not in SUMMARY_EXCLUDES}

    name, uri = kind.capitalize(), request.get("SourceUri")
    return list_answer(
        context,
        request,
        f"{name}Summaries",
        KINDS[kind],
        summarize,
        source=read_source(context, uri) if uri else None,
        type=request.get(f"{name}Type"),
    )


def update_entity(context: Context, request: Request, kind: EntityKind, name: str, values: Mapping[str, Any]) -> Answer:
    """Set columns, and set and remove properties."""
    put, drop = request.get("Properties", {}), request.get("PropertiesToRemove", ())
    with tracking_errors():
        lineage.change(context, kind, name, values, put, drop)
    return arn_member(context, kind, name)


def delete_entity(context: Context, kind: EntityKind, name: str) -> Answer:
    """Delete an entity whose associations have been deleted before."""
    with tracking_errors():
        lineage.delete(context, kind, name)
    return arn_member(context, kind, name)


def arn_member(context: Context, kind: EntityKind, name: str) -> dict[str, str]:
    """Return the member that holds the ARN of an entity."""
    return {f"{kind.capitalize()}Arn": arn_of(context, KINDS[kind], name)}


def _format(context: Context, entity: Entity) -> dict[str, Any]:
    source = {"SourceUri": format_source(context, entity.source), **entity.source_details}
    return {**format_entity(context, entity), "Source": source}
