"""Validation of inputs, with AWS's error messages."""

import re

import pytest
from botocore.exceptions import ClientError

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import OPERATIONS
from lowcloud.api.aws.protocol.service_models import load_service
from lowcloud.api.aws.protocol.validate import compile_pattern, refuse_unsupported, validate


def errors_of(service, name, **members):
    """Return the error message for an input."""
    found = load_service(service)
    with pytest.raises(AwsError) as caught:
        validate(found.operation(name), members, "ValidationException")
    return caught.value.message


def test_a_missing_member_must_not_be_null():
    assert errors_of("sagemaker", "DescribeTrainingJob") == (
        "1 validation error detected: Value null at 'trainingJobName' failed to satisfy constraint: "
        "Member must not be null"
    )


def test_a_name_must_match_its_pattern():
    assert errors_of("sagemaker", "StopTrainingJob", TrainingJobName="bad_name") == (
        "1 validation error detected: Value 'bad_name' at 'trainingJobName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
    )


def test_a_long_name_is_too_long_and_is_not_matched_with_its_pattern():
    said = errors_of("sagemaker", "StopTrainingJob", TrainingJobName="a" * 64)
    assert said.startswith("1 validation error detected:")
    assert said.endswith("Member must have length less than or equal to 63")


def test_several_errors_are_counted_and_joined():
    said = errors_of("sagemaker", "ListTrainingJobs", MaxResults=0, SortBy="Colour", StatusEquals="Nice")
    assert said == (
        "3 validation errors detected: "
        "Value '0' at 'maxResults' failed to satisfy constraint: Member must have value greater than or equal to 1; "
        "Value 'Colour' at 'sortBy' failed to satisfy constraint: "
        "Member must satisfy enum value set: [Name, CreationTime, Status]; "
        "Value 'Nice' at 'statusEquals' failed to satisfy constraint: "
        "Member must satisfy enum value set: [InProgress, Completed, Failed, Stopping, Stopped, Deleting]"
    )


def test_members_of_lists_and_structures_are_named_by_their_path():
    said = errors_of(
        "sagemaker",
        "CreateTrainingJob",
        TrainingJobName="job",
        AlgorithmSpecification={"TrainingInputMode": "Teleport"},
        RoleArn="arn:aws:iam::123456789012:role/r",
        InputDataConfig=[{"DataSource": {}}],
        OutputDataConfig={"S3OutputPath": "s3://b/"},
        StoppingCondition={"MaxRuntimeInSeconds": 0},
    )
    assert "at 'algorithmSpecification.trainingInputMode'" in said
    assert "Value null at 'inputDataConfig.1.member.channelName'" in said
    assert "Value '0' at 'stoppingCondition.maxRuntimeInSeconds'" in said


def test_values_of_maps_are_checked():
    said = errors_of("sagemaker", "CreateTrainingJob", HyperParameters={"a": "x" * 2501})
    assert (
        "at 'hyperParameters' failed to satisfy constraint: Map value must satisfy constraint: [Member must have"
        in said
    )


def test_at_most_ten_errors_are_reported():
    tags = [{"Key": "", "Value": "v"}] * 30
    assert errors_of("sagemaker", "AddTags", ResourceArn="arn:x", Tags=tags).startswith("10 validation errors detected")


def test_each_service_has_its_own_code(server):
    def code(service, method, **members):
        with pytest.raises(ClientError) as caught:
            getattr(server.client(service), method)(**members)
        return caught.value.response["Error"]["Code"]

    assert code("sagemaker", "describe_training_job", TrainingJobName="_") == "ValidationException"
    assert code("sts", "assume_role", RoleArn="x", RoleSessionName="me") == "ValidationError"
    assert code("iam", "get_role", RoleName="a b") == "ValidationError"
    assert code("logs", "describe_log_streams", logGroupName="a b") == "InvalidParameterException"


def test_refused_members_are_named_if_present():
    request = {"A": {"B": 1}, "Items": [{"X": 1}, {"Y": 2}], "Empty": None, "Off": False, "None": {}}
    refuse_unsupported(request, ("C", "A.C", "Items.Z", "Empty", "Off", "None"), "Code")
    for name in ("A", "A.B", "Items.Y"):
        with pytest.raises(AwsError, match=re.escape(f"{name} is not supported by Lowcloud yet.")):
            refuse_unsupported(request, ("C", name), "Code")


def test_every_pattern_of_an_implemented_operation_compiles_in_python():
    unsaid, seen = set(), set()

    def walk(shape):
        if shape is None or shape.name in seen:
            return
        seen.add(shape.name)
        pattern = shape.metadata.get("pattern")
        if pattern is not None and compile_pattern(pattern) is None:
            unsaid.add(pattern)
        for inner in (
            *getattr(shape, "members", {}).values(),
            *(getattr(shape, name) for name in ("member", "key", "value") if hasattr(shape, name)),
        ):
            walk(inner)

    for service, name in OPERATIONS:
        walk(load_service(service).operation(name).input_shape)
    assert unsaid == set()


@pytest.mark.parametrize(
    ("service", "name", "member"),
    [
        (service, name, member)
        for service, name in sorted(OPERATIONS)
        for member in OPERATIONS[service, name].refused + OPERATIONS[service, name].ignored
        if member != "RequestPayer"  # declared for all of S3, although some operations do not have it
    ],
)
def test_every_refused_or_ignored_member_exists(service, name, member):
    shape = load_service(service).operation(name).input_shape
    for part in member.split("."):
        shape = shape.member if shape.type_name == "list" else shape
        name, _, value = part.partition("=")
        assert name in shape.members
        shape = shape.members[name]
        assert not value or value in shape.enum
