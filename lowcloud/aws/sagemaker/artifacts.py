"""Artifacts in SageMaker's words: one for each version of each source."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from lowcloud.aws.arns import of_sagemaker
from lowcloud.aws.operations import Answer, Request, operation
from lowcloud.aws.sagemaker.lineage import delete, describe, list_entities, update
from lowcloud.aws.sagemaker.tracked import in_their_words, name_of, read_metadata, source_of, uri_of
from lowcloud.aws.sagemaker.translation import invalid, read_tags
from lowcloud.core import lineage
from lowcloud.core.access import Caller
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import AlreadyExists
from lowcloud.core.lineage import Entity, Kind


@operation("sagemaker", "CreateArtifact")
def create_artifact(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Of one source and its types there is one artifact; asking for just the same again answers with it."""
    artifact = replace(
        _of_source(cloud, request["ArtifactType"], request["Source"]),
        display_name=request.get("ArtifactName"),
        properties=dict(request.get("Properties", {})),
        metadata=read_metadata(request),
    )
    try:
        lineage.create(cloud, artifact, read_tags(request))
    except AlreadyExists as error:
        arn = of_sagemaker(cloud, artifact.subject)
        raise invalid(f"An artifact of the source {request['Source']['SourceUri']} already exists: {arn}") from error
    return {"ArtifactArn": of_sagemaker(cloud, artifact.subject)}


@operation("sagemaker", "DescribeArtifact")
def describe_artifact(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """The artifact as it stands."""
    with in_their_words():
        return _describe(cloud, lineage.find(cloud, Kind.ARTIFACT, name_of(cloud, request["ArtifactArn"])))


@operation("sagemaker", "ListArtifacts")
def list_artifacts(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Of a source (SourceUri) or of an ArtifactType."""
    return list_entities(cloud, request, Kind.ARTIFACT, _describe)


@operation("sagemaker", "UpdateArtifact")
def update_artifact(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Its source never changes."""
    values = {"display_name": request["ArtifactName"]} if "ArtifactName" in request else {}
    return update(cloud, request, Kind.ARTIFACT, name_of(cloud, request["ArtifactArn"]), values)


@operation("sagemaker", "DeleteArtifact")
def delete_artifact(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Named by its ARN or by its source."""
    if ("ArtifactArn" in request) == ("Source" in request):
        raise invalid("DeleteArtifact needs either ArtifactArn or Source.")
    if "Source" in request:
        return delete(cloud, Kind.ARTIFACT, _of_source(cloud, "", request["Source"]).name)
    return delete(cloud, Kind.ARTIFACT, name_of(cloud, request["ArtifactArn"]))


def _of_source(cloud: Cloud, type_: str, source: Mapping[str, Any]) -> Entity:
    details = {one["SourceIdType"]: one["Value"] for one in source.get("SourceTypes", ())}
    return lineage.artifact(type_, source_of(cloud, source["SourceUri"]), cloud.now(), details)


def _describe(cloud: Cloud, artifact: Entity) -> dict[str, Any]:
    types = [{"SourceIdType": kind, "Value": value} for kind, value in artifact.source_details.items()]
    return {
        **describe(cloud, artifact),
        "Source": {"SourceUri": uri_of(cloud, artifact.source), "SourceTypes": types},
    }
