"""The condition keys of SageMaker: what policies can ask of its requests."""

from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.model import ListShape, MapShape, Shape, StructureShape

from lowcloud.api.aws.access.calls import Call
from lowcloud.api.aws.services import OPERATIONS
from lowcloud.api.aws.services.sagemaker.condition_keys import MAPS, facts_of
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller

SERVICES = ("sagemaker", "sagemaker-metrics", "sagemaker-runtime")


def facts(context: Context, operation: str, request: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    return dict(facts_of(Call(context, Caller(context.account_id), "sagemaker", operation, request, {})))


def maps_in(shape: Shape, name: str, above: tuple[str, ...] = ()) -> Iterator[str]:
    if isinstance(shape, MapShape):
        yield name
    elif isinstance(shape, ListShape) and shape.name not in above:
        yield from maps_in(shape.member, name, (*above, shape.name))
    elif isinstance(shape, StructureShape) and shape.name not in above:
        for member, each in shape.members.items():
            yield from maps_in(each, member, (*above, shape.name))


@pytest.mark.parametrize("service", SERVICES)
def test_no_caller_names_a_condition_key_itself(service: str) -> None:
    model = botocore.session.get_session().get_service_model(service)
    inputs = [model.operation_model(name).input_shape for each, name in OPERATIONS if each == service]
    assert {name for shape in inputs if shape is not None for name in maps_in(shape, "")} <= MAPS


def test_conditions_know_what_a_job_asks_for(context: Context) -> None:
    request = {
        "ResourceConfig": {"InstanceType": "ml.m5.large", "VolumeKmsKeyId": "key-1", "KeepAlivePeriodInSeconds": 60},
        "OutputDataConfig": {"S3OutputPath": "s3://b", "KmsKeyId": "key-2"},
        "VpcConfig": {"Subnets": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
        "EnableNetworkIsolation": True,
        "HyperParameters": {"InstanceType": "ml.p5.48xlarge"},
        "Tags": [{"Key": "Team", "Value": "a"}],
    }
    assert facts(context, "CreateTrainingJob", request) == {
        "sagemaker:instancetypes": ("ml.m5.large",),
        "sagemaker:volumekmskey": ("key-1",),
        "sagemaker:keepaliveperiod": ("60",),
        "sagemaker:outputkmskey": ("key-2",),
        "sagemaker:vpcsubnets": ("subnet-1", "subnet-2"),
        "sagemaker:vpcsecuritygroupids": ("sg-1",),
        "sagemaker:maxruntimeinseconds": ("3600",),
        "sagemaker:networkisolation": ("true",),
        "sagemaker:taggingaction": ("CreateTrainingJob",),
        "aws:requesttag/team": ("a",),
        "aws:tagkeys": ("Team",),
    }


def test_conditions_know_every_instance_type_and_model_of_an_endpoint(context: Context) -> None:
    types = ("ml.m5.large", "ml.c5.large", "ml.m5.large")
    variants = [{"ModelName": f"m{number}", "InstanceType": name} for number, name in enumerate(types)]
    found = facts(context, "CreateEndpointConfig", {"ProductionVariants": variants})
    assert found["sagemaker:instancetypes"] == ("ml.m5.large", "ml.c5.large")
    head = f"arn:aws:sagemaker:us-east-1:{context.account_id}:model/"
    assert found["sagemaker:modelarn"] == (f"{head}m0", f"{head}m1", f"{head}m2")
