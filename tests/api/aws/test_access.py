"""What operations declare to need agrees with AWS's service authorization reference."""

import json
import re
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest

from lowcloud.api.aws.access.calls import ACTION_PREFIXES, Call
from lowcloud.api.aws.access.permissions import NOTHING
from lowcloud.api.aws.services import OPERATIONS
from lowcloud.core.context import Context
from lowcloud.core.identity.access import Permission
from lowcloud.core.identity.callers import Caller
from tests.support.aws_requests import model_of, sample
from tests.support.servers.endpoint import ACCOUNT
from tests.support.servers.gateways import make_context

REFERENCE = json.loads(resources.files("lowcloud.api.aws.access").joinpath("reference.json").read_text())
OWN_SERVICES = ("lowcloud",)  # whose actions AWS does not have

# What the reference asks for and a request does not name.
UNASKED = {
    ("sagemaker:AddAssociation", "any"): "it is on one of these for each end, and an end is of one kind",
    ("sagemaker:DeleteAssociation", "any"): "likewise",
    (
        "iam:ListPoliciesGrantingServiceAccess",
        "any",
    ): "it is on the user, group or role of an ARN, which is one of these",
    ("sagemaker:DisassociateTrialComponent", "processing-job"): "the request names no job",
    ("sagemaker:BatchGetMetrics", "any"): "the metrics of a query are those of a job or of a component",
    ("sagemaker:BatchPutMetrics", "training-job"): "the request names a component; one of a job has the job's name",
}
ASKED_PER_ITEM = {"DeleteObjects"}  # its declaration notes the refusal in each item of the request


def test_declared_permissions_are_those_of_the_reference(home: Context) -> None:
    wrong: list[str] = []
    for service, name in sorted(OPERATIONS):
        for needed in permissions(home, service, name):
            if needed.action.partition(":")[0] not in OWN_SERVICES:
                wrong += [f"{service} {name}: {fault}" for fault in faults(needed)]
    assert not wrong, "\n".join(wrong)


def test_all_required_resources_are_asked_about(home: Context) -> None:
    missing: list[str] = []
    for service, name in sorted(OPERATIONS):
        found = permissions(home, service, name)
        own = [one for one in found if one.action.endswith(f":{name}") and service not in OWN_SERVICES]
        required = [kind for one in own[:1] for kind, is_required in kinds(one.action).items() if is_required]
        for kind in required:
            if not any(matches(one.resource, REFERENCE[prefix(one)]["resources"][kind]) for one in own):
                action = own[0].action
                if (action, "any") not in UNASKED and (action, kind) not in UNASKED:
                    missing.append(f"{action}: {kind}")
    assert missing == []


def test_every_operation_asks_for_something(home: Context) -> None:
    """A request without the members that name a resource must not need less."""
    silent = [
        f"{service} {name}"
        for (service, name), operation in sorted(OPERATIONS.items())
        if operation.access is not NOTHING and name not in ASKED_PER_ITEM
        for members in ((), all_members(service, name))
        if not list(operation.access(call(home, service, name, members)))
    ]
    assert silent == []


def test_a_policy_is_created_under_its_path(home: Context) -> None:
    request = {"PolicyName": "p", "Path": "/team/", "PolicyDocument": "{}", "Tags": [{"Key": "a", "Value": "b"}]}
    needed = OPERATIONS["iam", "CreatePolicy"].access(Call(home, Caller(ACCOUNT), "iam", "CreatePolicy", request, {}))
    assert [(one.action, one.resource) for one in needed] == [
        ("iam:CreatePolicy", f"arn:aws:iam::{ACCOUNT}:policy/team/p"),
        ("iam:TagPolicy", f"arn:aws:iam::{ACCOUNT}:policy/team/p"),
    ]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    context = make_context(tmp_path_factory.mktemp("access") / "home")
    yield context
    context.database.close()


def permissions(context: Context, service: str, name: str) -> list[Permission]:
    """Return what an operation needs for a request with all members that it supports."""
    return list(OPERATIONS[service, name].access(call(context, service, name, all_members(service, name))))


def call(context: Context, service: str, name: str, members: Any) -> Call:
    request = sample(service, name, members)
    return Call(context, Caller(ACCOUNT), ACTION_PREFIXES.get(service, service), name, request, {})


def all_members(service: str, name: str) -> list[str]:
    refused = {re.split("[.=]", one)[0] for one in OPERATIONS[service, name].refused}
    shape = model_of(service, name).input_shape
    return [] if shape is None else [one for one in shape.members if one not in refused]


def faults(needed: Permission) -> Iterator[str]:
    service, action = needed.action.split(":")
    if action not in REFERENCE[service]["actions"]:
        yield f"{needed.action} does not exist"
        return
    formats = [REFERENCE[service]["resources"][kind] for kind in kinds(needed.action)]
    if not formats and needed.resource != "*":
        yield f"{needed.action} is on no resource, and so not on {needed.resource}"
    if formats and not any(matches(needed.resource, one) for one in formats):
        yield f"{needed.action} is not on {needed.resource}"


def kinds(action: str) -> dict[str, bool]:
    service, name = action.split(":")
    found: dict[str, bool] = REFERENCE[service]["actions"][name]["resources"]
    return found


def prefix(needed: Permission) -> str:
    return needed.action.partition(":")[0]


def matches(arn: str, template: str) -> bool:
    expression = re.sub(r"\\\$\\\{(Partition|Region|Account)\\\}", "[^:]*", re.escape(template))
    expression = re.sub(r"\\\$\\\{BucketName\\\}", "[^/]+", expression)
    return re.fullmatch(re.sub(r"\\\$\\\{\w+\\\}", ".+", expression), arn) is not None
