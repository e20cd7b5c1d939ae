"""Contexts in SageMaker's words: what other entities belong to, such as an endpoint."""

from typing import Any

from lowcloud.api.aws.arns import of_sagemaker
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.lineage.lineage import (
    delete,
    describe,
    list_entities,
    read_source,
    show_source,
    update,
)
from lowcloud.api.aws.services.sagemaker.tracked import in_their_words, name_of
from lowcloud.api.aws.services.sagemaker.translation import read_tags
from lowcloud.core.context import Context
from lowcloud.core.identity.access import Caller
from lowcloud.core.tracking import lineage
from lowcloud.core.tracking.lineage import Entity, EntityKind


@operation("sagemaker", "CreateContext")
def create_context(context: Context, _caller: Caller, request: Request) -> Answer:
    """Its name must be free."""
    now = context.now()
    source, details = read_source(context, request["Source"])
    entity = Entity(
        kind=EntityKind.CONTEXT,
        name=request["ContextName"],
        type=request["ContextType"],
        source=source,
        created_at=now,
        modified_at=now,
        source_details=details,
        description=request.get("Description"),
        properties=dict(request.get("Properties", {})),
    )
    with in_their_words():
        lineage.create(context, entity, read_tags(request))
    return {"ContextArn": of_sagemaker(context, entity.subject)}


@operation("sagemaker", "DescribeContext")
def describe_context(context: Context, _caller: Caller, request: Request) -> Answer:
    """The context as it stands."""
    with in_their_words():
        return _describe(context, lineage.find(context, EntityKind.CONTEXT, name_of(context, request["ContextName"])))


@operation("sagemaker", "ListContexts")
def list_contexts(context: Context, _caller: Caller, request: Request) -> Answer:
    """Of a source (SourceUri) or of a ContextType."""
    return list_entities(context, request, EntityKind.CONTEXT, _describe)


@operation("sagemaker", "UpdateContext")
def update_context(context: Context, _caller: Caller, request: Request) -> Answer:
    """Its description and properties."""
    values = {"description": request["Description"]} if "Description" in request else {}
    return update(context, request, EntityKind.CONTEXT, request["ContextName"], values)


@operation("sagemaker", "DeleteContext")
def delete_context(context: Context, _caller: Caller, request: Request) -> Answer:
    """Its associations must be gone before."""
    return delete(context, EntityKind.CONTEXT, request["ContextName"])


def _describe(context: Context, entity: Entity) -> dict[str, Any]:
    return {**describe(context, entity), "Source": show_source(context, entity)}
