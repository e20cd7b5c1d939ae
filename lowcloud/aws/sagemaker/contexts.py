"""Contexts in SageMaker's words: what other entities belong to, such as an endpoint."""

from typing import Any

from lowcloud.aws.arns import of_sagemaker
from lowcloud.aws.operations import Answer, Request, operation
from lowcloud.aws.sagemaker.lineage import delete, describe, list_entities, read_source, show_source, update
from lowcloud.aws.sagemaker.tracked import in_their_words, name_of
from lowcloud.aws.sagemaker.translation import read_tags
from lowcloud.core import lineage
from lowcloud.core.access import Caller
from lowcloud.core.cloud import Cloud
from lowcloud.core.lineage import Entity, Kind


@operation("sagemaker", "CreateContext")
def create_context(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Its name must be free."""
    now = cloud.now()
    source, details = read_source(cloud, request["Source"])
    context = Entity(
        kind=Kind.CONTEXT,
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
        lineage.create(cloud, context, read_tags(request))
    return {"ContextArn": of_sagemaker(cloud, context.subject)}


@operation("sagemaker", "DescribeContext")
def describe_context(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """The context as it stands."""
    with in_their_words():
        return _describe(cloud, lineage.find(cloud, Kind.CONTEXT, name_of(cloud, request["ContextName"])))


@operation("sagemaker", "ListContexts")
def list_contexts(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Of a source (SourceUri) or of a ContextType."""
    return list_entities(cloud, request, Kind.CONTEXT, _describe)


@operation("sagemaker", "UpdateContext")
def update_context(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Its description and properties."""
    values = {"description": request["Description"]} if "Description" in request else {}
    return update(cloud, request, Kind.CONTEXT, request["ContextName"], values)


@operation("sagemaker", "DeleteContext")
def delete_context(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Its associations must be gone before."""
    return delete(cloud, Kind.CONTEXT, request["ContextName"])


def _describe(cloud: Cloud, context: Entity) -> dict[str, Any]:
    return {**describe(cloud, context), "Source": show_source(cloud, context)}
