"""Artifacts in SageMaker's words: one for each version of each source."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lowcloud.api.aws.arns import of_sagemaker
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.lineage.lineage import delete, describe, list_entities, update
from lowcloud.api.aws.services.sagemaker.tracked import in_their_words, name_of, read_metadata, source_of, uri_of
from lowcloud.api.aws.services.sagemaker.translation import invalid, read_tags
from lowcloud.core.context import Context
from lowcloud.core.errors import AlreadyExistsError
from lowcloud.core.identity.access import Caller
from lowcloud.core.tracking import lineage
from lowcloud.core.tracking.lineage import Entity, EntityKind


@operation("sagemaker", "CreateArtifact")
def create_artifact(context: Context, _caller: Caller, request: Request) -> Answer:
    """Of one source and its types there is one artifact; asking for just the same again answers with it."""
    artifact = replace(
        _of_source(context, request["ArtifactType"], request["Source"]),
        display_name=request.get("ArtifactName"),
        properties=dict(request.get("Properties", {})),
        metadata=read_metadata(request),
    )
    try:
        lineage.create(context, artifact, read_tags(request))
    except AlreadyExistsError as error:
        arn = of_sagemaker(context, artifact.subject)
        raise invalid(f"An artifact of the source {request['Source']['SourceUri']} already exists: {arn}") from error
    return {"ArtifactArn": of_sagemaker(context, artifact.subject)}


@operation("sagemaker", "DescribeArtifact")
def describe_artifact(context: Context, _caller: Caller, request: Request) -> Answer:
    """The artifact as it stands."""
    with in_their_words():
        return _describe(context, lineage.find(context, EntityKind.ARTIFACT, name_of(context, request["ArtifactArn"])))


@operation("sagemaker", "ListArtifacts")
def list_artifacts(context: Context, _caller: Caller, request: Request) -> Answer:
    """Of a source (SourceUri) or of an ArtifactType."""
    return list_entities(context, request, EntityKind.ARTIFACT, _describe)


@operation("sagemaker", "UpdateArtifact")
def update_artifact(context: Context, _caller: Caller, request: Request) -> Answer:
    """Its source never changes."""
    values = {"display_name": request["ArtifactName"]} if "ArtifactName" in request else {}
    return update(context, request, EntityKind.ARTIFACT, name_of(context, request["ArtifactArn"]), values)


@operation("sagemaker", "DeleteArtifact")
def delete_artifact(context: Context, _caller: Caller, request: Request) -> Answer:
    """Named by its ARN or by its source."""
    if ("ArtifactArn" in request) == ("Source" in request):
        raise invalid("DeleteArtifact needs either ArtifactArn or Source.")
    if "Source" in request:
        return delete(context, EntityKind.ARTIFACT, _of_source(context, "", request["Source"]).name)
    return delete(context, EntityKind.ARTIFACT, name_of(context, request["ArtifactArn"]))


def _of_source(context: Context, type_: str, source: Mapping[str, Any]) -> Entity:
    details = {one["SourceIdType"]: one["Value"] for one in source.get("SourceTypes", ())}
    return lineage.artifact(type_, source_of(context, source["SourceUri"]), context.now(), details)


def _describe(context: Context, artifact: Entity) -> dict[str, Any]:
    types = [{"SourceIdType": kind, "Value": value} for kind, value in artifact.source_details.items()]
    return {
        **describe(context, artifact),
        "Source": {"SourceUri": uri_of(context, artifact.source), "SourceTypes": types},
    }
