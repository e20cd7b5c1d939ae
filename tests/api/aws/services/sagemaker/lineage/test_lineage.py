"""Lineage through boto3: entities, associations, and queries of the graph."""

from typing import Any

import pytest

from tests.api.aws.services.sagemaker.experiments.test_experiments import ARN, refusal
from tests.support.servers.server import Server


@pytest.fixture(scope="module")
def sagemaker(server: Server) -> Any:
    return server.client("sagemaker")


def artifact(sagemaker: Any, uri: str, type_: str = "DataSet", **more: Any) -> str:
    answer = sagemaker.create_artifact(ArtifactType=type_, Source={"SourceUri": uri}, **more)
    return str(answer["ArtifactArn"])


def associate(sagemaker: Any, source: str, destination: str, edge: str = "ContributedTo") -> None:
    sagemaker.add_association(SourceArn=source, DestinationArn=destination, AssociationType=edge)


def test_a_source_has_one_artifact_for_each_of_its_versions(sagemaker):
    tagged = {"SourceUri": "s3://b/k", "SourceTypes": [{"SourceIdType": "S3ETag", "Value": '"abc"'}]}
    first = artifact(sagemaker, "s3://b/k", ArtifactName="data")
    second = sagemaker.create_artifact(ArtifactType="DataSet", Source=tagged)["ArtifactArn"]
    assert first != second
    assert artifact(sagemaker, "s3://b/k", ArtifactName="data") == first, "asking for the very same again"
    code, message = refusal(sagemaker.create_artifact, ArtifactType="Model", Source={"SourceUri": "s3://b/k"})
    assert code == "ValidationException"
    assert "already exists" in message
    assert first in message
    found = sagemaker.describe_artifact(ArtifactArn=second)
    assert found["Source"] == tagged
    listed = sagemaker.list_artifacts(SourceUri="s3://b/k")["ArtifactSummaries"]
    assert {one["ArtifactArn"] for one in listed} == {first, second}
    assert sagemaker.list_artifacts(SourceUri="s3://b/k", ArtifactType="Model")["ArtifactSummaries"] == []
    sagemaker.delete_artifact(Source=tagged)
    assert refusal(sagemaker.describe_artifact, ArtifactArn=second)[0] == "ResourceNotFound"


def test_properties_are_added_and_removed(sagemaker):
    arn = artifact(sagemaker, "s3://b/properties", Properties={"a": "1", "b": "2"})
    sagemaker.update_artifact(
        ArtifactArn=arn, ArtifactName="named", Properties={"a": "1", "c": "3"}, PropertiesToRemove=["a", "x"]
    )
    found = sagemaker.describe_artifact(ArtifactArn=arn)
    assert (found["ArtifactName"], found["Properties"]) == ("named", {"b": "2", "c": "3"})
    many = {f"p{n}": "v" for n in range(30)}
    assert "at most 30" in refusal(sagemaker.update_artifact, ArtifactArn=arn, Properties=many)[1]


def test_actions_and_contexts_are_stored_by_name(sagemaker):
    source = {"SourceUri": f"{ARN}endpoint/e", "SourceType": "ARN"}
    arn = sagemaker.create_action(ActionName="deploy", ActionType="ModelDeployment", Source=source, Status="InProgress")
    assert arn["ActionArn"] == f"{ARN}action/deploy"
    code, message = refusal(sagemaker.create_action, ActionName="deploy", ActionType="x", Source=source)
    assert (code, message.endswith("Action with name (deploy) already exists.")) == ("ValidationException", True)
    sagemaker.update_action(ActionName="deploy", Status="Completed", Description="done")
    found = sagemaker.describe_action(ActionName=f"{ARN}action/deploy")
    assert (found["Status"], found["Description"], found["Source"]) == ("Completed", "done", source)
    sagemaker.create_context(ContextName="e_1", ContextType="Endpoint", Source=source, Properties={"k": "v"})
    assert sagemaker.describe_context(ContextName="e_1")["Properties"] == {"k": "v"}
    listed = sagemaker.list_contexts(SourceUri=source["SourceUri"], ContextType="Endpoint")["ContextSummaries"]
    assert [one["ContextName"] for one in listed] == ["e_1"]
    sagemaker.delete_context(ContextName="e_1")
    assert refusal(sagemaker.delete_context, ContextName="e_1")[0] == "ResourceNotFound"


def test_associations_have_two_ends_that_exist_and_are_made_once(sagemaker):
    one, other = artifact(sagemaker, "s3://b/one"), artifact(sagemaker, "s3://b/other", "Model")
    associate(sagemaker, one, other)
    again = {"SourceArn": one, "DestinationArn": other}
    code, message = refusal(sagemaker.add_association, **again)
    assert (code, "already exists" in message) == ("ValidationException", True)
    nowhere = {"SourceArn": one, "DestinationArn": f"{ARN}artifact/0123"}
    assert refusal(sagemaker.add_association, **nowhere)[0] == "ResourceNotFound"
    assert "itself" in refusal(sagemaker.add_association, SourceArn=one, DestinationArn=one)[1]
    assert "delete those first" in refusal(sagemaker.delete_artifact, ArtifactArn=one)[1]
    (found,) = sagemaker.list_associations(SourceArn=one)["AssociationSummaries"]
    assert (found["DestinationArn"], found["SourceType"], found["DestinationType"]) == (other, "DataSet", "Model")
    assert found["AssociationType"] == "ContributedTo"
    for type_, number in (("Image", 0), ("Model", 1), ("Artifact", 1), ("Action", 0)):
        listed = sagemaker.list_associations(SourceArn=one, DestinationType=type_)["AssociationSummaries"]
        assert len(listed) == number, f"{type_}: SDKs ask for kinds as for types"
    sagemaker.delete_association(**again)
    assert refusal(sagemaker.delete_association, **again)[0] == "ResourceNotFound"


def test_an_association_has_no_tags(sagemaker):
    one, other = artifact(sagemaker, "s3://b/one"), artifact(sagemaker, "s3://b/other", "Model")
    associate(sagemaker, one, other)
    named = f"{ARN}association/{one.removeprefix(ARN)} {other.removeprefix(ARN)}"
    code, message = refusal(sagemaker.add_tags, ResourceArn=named, Tags=[{"Key": "a", "Value": "1"}])
    assert (code, message) == ("ValidationException", f"The resource {named} does not exist.")


def test_a_lineage_query_follows_each_direction_to_the_requested_depth(sagemaker):
    data, model = artifact(sagemaker, "s3://q/data"), artifact(sagemaker, "s3://q/model", "Model")
    component = sagemaker.create_trial_component(TrialComponentName="q-stage")["TrialComponentArn"]
    context = sagemaker.create_context(ContextName="q-c", ContextType="Endpoint", Source={"SourceUri": "x"})
    associate(sagemaker, data, component)
    associate(sagemaker, component, model, "Produced")
    associate(sagemaker, model, context["ContextArn"], "AssociatedWith")

    def reached(start: str, **more: Any) -> list[str]:
        answer = sagemaker.query_lineage(StartArns=[start], **more)
        return [vertex["Arn"] for vertex in answer["Vertices"]]

    end = context["ContextArn"]
    assert reached(end, Direction="Ascendants") == [end, model, component, data]
    assert reached(end, Direction="Ascendants", MaxDepth=1) == [end, model]
    assert reached(end, Direction="Descendants") == [end]
    assert set(reached(component)) == {data, component, model, end}
    assert reached(end, Filters={"Types": ["DataSet"]}) == [data]
    assert reached(end, Filters={"LineageTypes": ["TrialComponent"]}) == [component]
    answer = sagemaker.query_lineage(StartArns=[end], Direction="Ascendants", IncludeEdges=True)
    assert {"SourceArn": component, "DestinationArn": model, "AssociationType": "Produced"} in answer["Edges"]
    assert answer["Vertices"][2] == {
        "Arn": component,
        "LineageType": "TrialComponent",
        "Type": "ExperimentTrialComponent",
    }
    assert sagemaker.query_lineage(StartArns=[end], IncludeEdges=False)["Edges"] == []
    first = sagemaker.query_lineage(StartArns=[end], Direction="Ascendants", MaxResults=3)
    second = sagemaker.query_lineage(
        StartArns=[end], Direction="Ascendants", MaxResults=3, NextToken=first["NextToken"]
    )
    assert [len(one["Vertices"]) for one in (first, second)] == [3, 1]
    assert "NextToken" not in second
    assert refusal(sagemaker.query_lineage, StartArns=[f"{ARN}artifact/0"])[0] == "ResourceNotFound"


def test_a_ring_of_associations_is_walked_once(sagemaker):
    ring = [artifact(sagemaker, f"s3://ring/{number}") for number in range(3)]
    for number, arn in enumerate(ring):
        associate(sagemaker, arn, ring[(number + 1) % 3])
    answer = sagemaker.query_lineage(StartArns=[ring[0]], Direction="Descendants")
    assert [vertex["Arn"] for vertex in answer["Vertices"]] == ring
    assert len(answer["Edges"]) == 3
