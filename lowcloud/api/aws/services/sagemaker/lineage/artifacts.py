"""Operations on artifacts: one for each version of each source."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lowcloud.api.aws.access.permissions import creates, on, on_any
from lowcloud.api.aws.arns import of_sagemaker
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.errors import invalid, tracking_errors
from lowcloud.api.aws.services.sagemaker.lineage.entities import (
    arn_member,
    delete_entity,
    format_entity,
    list_entities,
    update_entity,
)
from lowcloud.api.aws.services.sagemaker.sources import format_source, read_metadata, read_source
from lowcloud.api.aws.services.sagemaker.translation import name_of, read_tags
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import AlreadyExistsError
from lowcloud.core.identity.callers import Caller
from lowcloud.core.tracking import lineage
from lowcloud.core.tracking.lineage import ARTIFACT, Entity, EntityKind


@operation("sagemaker", "CreateArtifact", creates("artifact/*"))
def create_artifact(context: Context, _caller: Caller, request: Request) -> Answer:
    """A source and its types have one artifact; an identical request returns the existing one."""
    artifact = replace(
        _of_source(context, request["ArtifactType"], request["Source"]),
        display_name=request.get("ArtifactName"),
        properties=dict(request.get("Properties", {})),
        metadata=read_metadata(request),
    )
    try:
        lineage.create(context, artifact, read_tags(request))
    except AlreadyExistsError as error:
        existing = of_sagemaker(context, artifact.subject)
        uri = request["Source"]["SourceUri"]
        raise invalid(f"An artifact of the source {uri} already exists: {existing}") from error
    return arn_member(context, EntityKind.ARTIFACT, artifact.name)


@operation("sagemaker", "DescribeArtifact", on("{ArtifactArn}"))
def describe_artifact(context: Context, _caller: Caller, request: Request) -> Answer:
    """The artifact is referred to by its ARN."""
    with tracking_errors():
        artifact = resources.find(context, ARTIFACT, name_of(context, request["ArtifactArn"]))
    return _format(context, artifact)


@operation("sagemaker", "ListArtifacts", on_any())
def list_artifacts(context: Context, _caller: Caller, request: Request) -> Answer:
    """Those of a source (SourceUri) or an ArtifactType if requested."""
    return list_entities(context, request, EntityKind.ARTIFACT, _format)


@operation("sagemaker", "UpdateArtifact", on("{ArtifactArn}"))
def update_artifact(context: Context, _caller: Caller, request: Request) -> Answer:
    """Its source cannot be changed."""
    values = {"display_name": request["ArtifactName"]} if "ArtifactName" in request else {}
    return update_entity(context, request, EntityKind.ARTIFACT, name_of(context, request["ArtifactArn"]), values)


@operation("sagemaker", "DeleteArtifact", on("artifact/{ArtifactArn}"))
def delete_artifact(context: Context, _caller: Caller, request: Request) -> Answer:
    """The artifact is referred to by its ARN or its source."""
    if ("ArtifactArn" in request) == ("Source" in request):
        raise invalid("DeleteArtifact needs either ArtifactArn or Source.")
    if "Source" in request:
        return delete_entity(context, EntityKind.ARTIFACT, _of_source(context, "", request["Source"]).name)
    return delete_entity(context, EntityKind.ARTIFACT, name_of(context, request["ArtifactArn"]))


def _of_source(context: Context, type_: str, source: Mapping[str, Any]) -> Entity:
    details = {one["SourceIdType"]: one["Value"] for one in source.get("SourceTypes", ())}
    return lineage.artifact(type_, read_source(context, source["SourceUri"]), context.now(), details)


def _format(context: Context, artifact: Entity) -> dict[str, Any]:
    types = [{"SourceIdType": name, "Value": value} for name, value in artifact.source_details.items()]
    source = {"SourceUri": format_source(context, artifact.source), "SourceTypes": types}
    return {**format_entity(context, artifact), "Source": source}
