"""Actions in SageMaker's words: what was done, such as the deployment of a model."""

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
from lowcloud.api.aws.services.sagemaker.tracked import in_their_words, name_of, read_metadata
from lowcloud.api.aws.services.sagemaker.translation import read_tags
from lowcloud.core.context import Context
from lowcloud.core.identity.access import Caller
from lowcloud.core.tracking import lineage
from lowcloud.core.tracking.lineage import Entity, EntityKind


@operation("sagemaker", "CreateAction")
def create_action(context: Context, _caller: Caller, request: Request) -> Answer:
    """Its name must be free."""
    now = context.now()
    source, details = read_source(context, request["Source"])
    action = Entity(
        kind=EntityKind.ACTION,
        name=request["ActionName"],
        type=request["ActionType"],
        source=source,
        created_at=now,
        modified_at=now,
        source_details=details,
        status=request.get("Status"),
        description=request.get("Description"),
        properties=dict(request.get("Properties", {})),
        metadata=read_metadata(request),
    )
    with in_their_words():
        lineage.create(context, action, read_tags(request))
    return {"ActionArn": of_sagemaker(context, action.subject)}


@operation("sagemaker", "DescribeAction")
def describe_action(context: Context, _caller: Caller, request: Request) -> Answer:
    """The action as it stands."""
    with in_their_words():
        return _describe(context, lineage.find(context, EntityKind.ACTION, name_of(context, request["ActionName"])))


@operation("sagemaker", "ListActions")
def list_actions(context: Context, _caller: Caller, request: Request) -> Answer:
    """Of a source (SourceUri) or of an ActionType."""
    return list_entities(context, request, EntityKind.ACTION, _describe)


@operation("sagemaker", "UpdateAction")
def update_action(context: Context, _caller: Caller, request: Request) -> Answer:
    """Its status, description and properties."""
    columns = {"Status": "status", "Description": "description"}
    values = {column: request[member] for member, column in columns.items() if member in request}
    return update(context, request, EntityKind.ACTION, request["ActionName"], values)


@operation("sagemaker", "DeleteAction")
def delete_action(context: Context, _caller: Caller, request: Request) -> Answer:
    """Its associations must be gone before."""
    return delete(context, EntityKind.ACTION, request["ActionName"])


def _describe(context: Context, action: Entity) -> dict[str, Any]:
    return {**describe(context, action), "Source": show_source(context, action)}
