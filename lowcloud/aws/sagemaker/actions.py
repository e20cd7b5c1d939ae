"""Actions in SageMaker's words: what was done, such as the deployment of a model."""

from typing import Any

from lowcloud.aws.arns import of_sagemaker
from lowcloud.aws.operations import Answer, Request, operation
from lowcloud.aws.sagemaker.lineage import delete, describe, list_entities, read_source, show_source, update
from lowcloud.aws.sagemaker.tracked import in_their_words, name_of, read_metadata
from lowcloud.aws.sagemaker.translation import read_tags
from lowcloud.core import lineage
from lowcloud.core.access import Caller
from lowcloud.core.cloud import Cloud
from lowcloud.core.lineage import Entity, Kind


@operation("sagemaker", "CreateAction")
def create_action(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Its name must be free."""
    now = cloud.now()
    source, details = read_source(cloud, request["Source"])
    action = Entity(
        kind=Kind.ACTION,
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
        lineage.create(cloud, action, read_tags(request))
    return {"ActionArn": of_sagemaker(cloud, action.subject)}


@operation("sagemaker", "DescribeAction")
def describe_action(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """The action as it stands."""
    with in_their_words():
        return _describe(cloud, lineage.find(cloud, Kind.ACTION, name_of(cloud, request["ActionName"])))


@operation("sagemaker", "ListActions")
def list_actions(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Of a source (SourceUri) or of an ActionType."""
    return list_entities(cloud, request, Kind.ACTION, _describe)


@operation("sagemaker", "UpdateAction")
def update_action(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Its status, description and properties."""
    columns = {"Status": "status", "Description": "description"}
    values = {column: request[member] for member, column in columns.items() if member in request}
    return update(cloud, request, Kind.ACTION, request["ActionName"], values)


@operation("sagemaker", "DeleteAction")
def delete_action(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Its associations must be gone before."""
    return delete(cloud, Kind.ACTION, request["ActionName"])


def _describe(cloud: Cloud, action: Entity) -> dict[str, Any]:
    return {**describe(cloud, action), "Source": show_source(cloud, action)}
