"""Experiments, trials and their components through boto3: what is kept, what is found, and what is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.servers.endpoint import ACCOUNT
from tests.support.servers.server import Server

ARN = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:"


@pytest.fixture(scope="module")
def sagemaker(server: Server) -> Any:
    return server.client("sagemaker")


def refusal(call: Any, **request: Any) -> tuple[str, str]:
    """Code and message of the error that a request gets."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def make(sagemaker: Any, name: str, trials: int = 1, components: int = 1) -> None:
    """An experiment with trials, each with components."""
    sagemaker.create_experiment(ExperimentName=name)
    for trial in range(trials):
        sagemaker.create_trial(TrialName=f"{name}-t{trial}", ExperimentName=name)
        for number in range(components):
            component = f"{name}-t{trial}-c{number}"
            sagemaker.create_trial_component(TrialComponentName=component)
            sagemaker.associate_trial_component(TrialName=f"{name}-t{trial}", TrialComponentName=component)


def test_an_experiment_is_made_described_changed_and_deleted(sagemaker):
    tags = [{"Key": "team", "Value": "blue"}]
    arn = sagemaker.create_experiment(ExperimentName="Iris-1", Description="first", Tags=tags)["ExperimentArn"]
    assert arn == f"{ARN}experiment/Iris-1"
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == tags
    found = sagemaker.describe_experiment(ExperimentName="iris-1")
    assert (found["ExperimentName"], found["DisplayName"], found["Description"]) == ("Iris-1", "Iris-1", "first")
    assert abs(found["CreationTime"] - datetime.now(UTC)) < timedelta(minutes=1)
    sagemaker.update_experiment(ExperimentName="Iris-1", DisplayName="Iris")
    changed = sagemaker.describe_experiment(ExperimentName="Iris-1")
    assert (changed["DisplayName"], changed["Description"]) == ("Iris", "first")
    assert changed["LastModifiedTime"] > found["LastModifiedTime"]
    assert sagemaker.delete_experiment(ExperimentName="Iris-1")["ExperimentArn"] == arn
    assert refusal(sagemaker.describe_experiment, ExperimentName="Iris-1")[0] == "ResourceNotFound"


def test_tags_belong_to_the_experiment_however_its_name_is_spelled(sagemaker):
    sagemaker.create_experiment(ExperimentName="spelled")
    sagemaker.add_tags(ResourceArn=f"{ARN}experiment/SPELLED", Tags=[{"Key": "team", "Value": "blue"}])
    for spelling in ("spelled", "Spelled"):
        found = sagemaker.list_tags(ResourceArn=f"{ARN}experiment/{spelling}")["Tags"]
        assert found == [{"Key": "team", "Value": "blue"}]
    sagemaker.delete_experiment(ExperimentName="spelled")
    arn = sagemaker.create_experiment(ExperimentName="SPELLED")["ExperimentArn"]
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == []
    sagemaker.delete_experiment(ExperimentName="SPELLED")


def test_names_differ_by_more_than_case_and_what_is_taken_is_said_as_the_sdk_expects(sagemaker):
    make(sagemaker, "taken")
    code, message = refusal(sagemaker.create_experiment, ExperimentName="TAKEN")
    assert code == "ValidationException"
    assert message.endswith("Experiment with name (TAKEN) already exists.")
    code, message = refusal(sagemaker.create_trial, TrialName="Taken-t0", ExperimentName="taken")
    assert code == "ValidationException"
    assert "already exists" in message
    code, message = refusal(sagemaker.create_trial_component, TrialComponentName="taken-T0-c0")
    assert code == "ValidationException"
    assert "already exists" in message


def test_experiments_trials_and_components_in_use_cannot_be_deleted(sagemaker):
    make(sagemaker, "full")
    assert "cannot be deleted" in refusal(sagemaker.delete_experiment, ExperimentName="full")[1]
    assert "cannot be deleted" in refusal(sagemaker.delete_trial, TrialName="full-t0")[1]
    assert "cannot be deleted" in refusal(sagemaker.delete_trial_component, TrialComponentName="full-t0-c0")[1]
    both = {"TrialName": "full-t0", "TrialComponentName": "full-t0-c0"}
    answer = sagemaker.disassociate_trial_component(**both)
    assert answer["TrialArn"] == f"{ARN}experiment-trial/full-t0"
    assert answer["TrialComponentArn"] == f"{ARN}experiment-trial-component/full-t0-c0"
    assert refusal(sagemaker.disassociate_trial_component, **both)[0] == "ResourceNotFound"
    sagemaker.delete_trial_component(TrialComponentName="full-t0-c0")
    sagemaker.delete_trial(TrialName="full-t0")
    sagemaker.delete_experiment(ExperimentName="full")


def test_a_component_stores_its_inputs_and_outputs(sagemaker):
    begun = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    sagemaker.create_trial_component(
        TrialComponentName="stage",
        DisplayName="Stage",
        Status={"PrimaryStatus": "InProgress", "Message": "half way"},
        StartTime=begun,
        Parameters={"rate": {"NumberValue": 0.1}, "optimizer": {"StringValue": "adam"}, "old": {"NumberValue": 1}},
        InputArtifacts={"data": {"Value": "s3://b/data", "MediaType": "text/csv"}},
        MetadataProperties={"CommitId": "abc", "Repository": "git://r"},
    )
    sagemaker.update_trial_component(
        TrialComponentName="stage",
        Status={"PrimaryStatus": "Completed"},
        EndTime=begun + timedelta(hours=1),
        Parameters={"rate": {"NumberValue": 0.2}, "old": {"NumberValue": 1}},
        ParametersToRemove=["old"],  # the SDKs send with a change all that they loaded
        OutputArtifacts={"model": {"Value": "s3://b/model"}},
        InputArtifactsToRemove=["nothing"],
    )
    found = sagemaker.describe_trial_component(TrialComponentName=f"{ARN}experiment-trial-component/stage")
    assert found["Parameters"] == {"rate": {"NumberValue": 0.2}, "optimizer": {"StringValue": "adam"}}
    assert found["InputArtifacts"] == {"data": {"Value": "s3://b/data", "MediaType": "text/csv"}}
    assert found["OutputArtifacts"] == {"model": {"Value": "s3://b/model"}}
    assert found["Status"]["PrimaryStatus"] == "Completed"
    assert (found["StartTime"], found["EndTime"]) == (begun, begun + timedelta(hours=1))
    assert found["MetadataProperties"] == {"CommitId": "abc", "Repository": "git://r"}
    assert (found["DisplayName"], found["Metrics"]) == ("Stage", [])


def test_a_component_takes_no_more_than_its_limits(sagemaker):
    sagemaker.create_trial_component(TrialComponentName="limits")
    many = {f"p{n}": {"NumberValue": n} for n in range(300)}
    sagemaker.update_trial_component(TrialComponentName="limits", Parameters=many)
    code, message = refusal(
        sagemaker.update_trial_component, TrialComponentName="limits", Parameters={"one-more": {"NumberValue": 1}}
    )
    assert (code, message) == ("ValidationException", "A trial component can have at most 300 parameters.")
    both = {"p": {"NumberValue": 1, "StringValue": "1"}}
    code, message = refusal(sagemaker.update_trial_component, TrialComponentName="limits", Parameters=both)
    assert "either a StringValue or a NumberValue" in message
    infinite = {"p0": {"NumberValue": float("inf")}}
    assert (
        "is not a number"
        in refusal(sagemaker.update_trial_component, TrialComponentName="limits", Parameters=infinite)[1]
    )


def test_lists_are_of_an_experiment_a_trial_or_a_component_in_pages(sagemaker):
    make(sagemaker, "listed", trials=2, components=3)
    trials = sagemaker.list_trials(ExperimentName="listed")["TrialSummaries"]
    assert [trial["TrialName"] for trial in trials] == ["listed-t1", "listed-t0"]
    trials = sagemaker.list_trials(TrialComponentName="listed-t1-c2")["TrialSummaries"]
    assert [trial["TrialName"] for trial in trials] == ["listed-t1"]
    pages = sagemaker.get_paginator("list_trial_components").paginate(
        ExperimentName="listed", SortBy="Name", SortOrder="Ascending", MaxResults=4
    )
    found = [[one["TrialComponentName"] for one in page["TrialComponentSummaries"]] for page in pages]
    assert found == [
        ["listed-t0-c0", "listed-t0-c1", "listed-t0-c2", "listed-t1-c0"],
        ["listed-t1-c1", "listed-t1-c2"],
    ]
    of_trial = sagemaker.list_trial_components(TrialName="listed-t1")["TrialComponentSummaries"]
    assert len(of_trial) == 3
    later = datetime.now(UTC) + timedelta(hours=1)
    assert sagemaker.list_trials(ExperimentName="listed", CreatedAfter=later)["TrialSummaries"] == []
    assert len(sagemaker.list_trials(ExperimentName="listed", CreatedBefore=later)["TrialSummaries"]) == 2
    both = {"ExperimentName": "listed", "TrialName": "listed-t0"}
    assert refusal(sagemaker.list_trial_components, **both)[0] == "ValidationException"
    assert refusal(sagemaker.list_trials, ExperimentName="nowhere")[0] == "ResourceNotFound"


def test_a_trial_needs_its_experiment_and_an_association_both_ends(sagemaker):
    assert refusal(sagemaker.create_trial, TrialName="t", ExperimentName="nowhere")[0] == "ResourceNotFound"
    make(sagemaker, "ends")
    nowhere = {"TrialName": "ends-t0", "TrialComponentName": "nowhere"}
    assert refusal(sagemaker.associate_trial_component, **nowhere)[0] == "ResourceNotFound"
    sagemaker.associate_trial_component(TrialName="ends-t0", TrialComponentName="ends-t0-c0")
    found = sagemaker.list_trial_components(TrialName="ends-t0")["TrialComponentSummaries"]
    assert [one["TrialComponentName"] for one in found] == ["ends-t0-c0"], "a second association changes nothing"
