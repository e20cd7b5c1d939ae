"""A request of each operation, made from botocore's model: valid, and with names that policies can be written about."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from lowcloud.api.aws.protocol.service_models import load_service
from lowcloud.api.aws.protocol.validate import compile_pattern
from tests.support.servers.endpoint import ACCOUNT, REGION

BUCKET, KEY, ROLE = "shelf", "book", f"arn:aws:iam::{ACCOUNT}:role/runner"
_SAGEMAKER = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:"
_DOCUMENT = '{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "a:b", "Resource": "*"}}'
_TRUST = '{"Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}}'
# What the model does not say: by the name of the member, or of its list.
_VALUES: dict[str, Any] = {
    "Bucket": BUCKET,
    "Key": KEY,
    "CopySource": f"{BUCKET}/source",
    "ResourceArn": f"{_SAGEMAKER}training-job/sample",
    "SourceArn": f"{_SAGEMAKER}artifact/source",
    "DestinationArn": f"{_SAGEMAKER}artifact/destination",
    "ArtifactArn": f"{_SAGEMAKER}artifact/sample",
    "PolicySourceArn": ROLE,
    "PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/sample",
    "OpenIDConnectProviderArn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/example.com",
    "Url": "https://example.com",
    "RoleArn": ROLE,
    "ExecutionRoleArn": ROLE,
    "PolicyDocument": _DOCUMENT,
    "PolicyInputList": [_DOCUMENT],
    "AssumeRolePolicyDocument": _TRUST,
    "policyDocument": _DOCUMENT,
    "Policy": f'{{"Statement": {{"Effect": "Allow", "Principal": {{"AWS": "{ACCOUNT}"}}, "Action": "s3:GetObject", '
    f'"Resource": "arn:aws:s3:::{BUCKET}/*"}}}}',
    "Tagging": "a=b",
    "ActionNames": ["s3:GetObject"],
    "VersionId": "null",
    "ObjectAttributes": ["ETag"],
    "Tags": [{"Key": "team", "Value": "a"}],
}
# What an operation requires although its model does not.
_ALWAYS: dict[str, dict[str, Any]] = {
    "ListPoliciesGrantingServiceAccess": {"Arn": ROLE},
    "DeletePolicyVersion": {"VersionId": "v1"},
    "GetPolicyVersion": {"VersionId": "v1"},
    "SetDefaultPolicyVersion": {"VersionId": "v1"},
    "CreateModel": {"PrimaryContainer": {"Image": "sample"}, "ExecutionRoleArn": ROLE},
}
_TEXTS = ["sample", "sample-1", "1", "a.b/c", f"{_SAGEMAKER}model/sample", f"s3://{BUCKET}/x", "sample:1", "12345678"]
_TEXTS += [
    "/",
    f"{_SAGEMAKER}artifact/sample",
    "a" * 20,
    "a" * 40,
    "arn:aws:iam::123456789012:role/a",
    "ml.m5.large",
    "00000000-0000-0000-0000-000000000000",
]


def sample(service: str, operation: str, members: Iterable[str] = (), **changes: Any) -> dict[str, Any]:
    """Return a request with the members that its model requires, those of `members` in addition, and `changes`."""
    model = model_of(service, operation)
    if model.input_shape is None:
        return changes
    required = [*model.input_shape.required_members, *(one for one in members if one in model.input_shape.members)]
    request = {name: _value(name, model.input_shape.members[name], changes.get(name)) for name in required}
    return {**request, **_ALWAYS.get(operation, {}), **changes}


def model_of(service: str, operation: str) -> OperationModel:
    found = load_service(service)
    assert found is not None
    return found.operation(operation)


def _value(name: str, shape: Shape, given: Any = None) -> Any:
    if given is not None:
        return given
    if name in _VALUES and (shape.type_name == "string" or not isinstance(_VALUES[name], str)):
        return _VALUES[name]
    if isinstance(shape, StructureShape):
        if shape.is_tagged_union if hasattr(shape, "is_tagged_union") else False:
            first = next(iter(shape.members))
            return {first: _value(first, shape.members[first])}
        return {one: _value(one, shape.members[one]) for one in shape.required_members}
    if isinstance(shape, ListShape):
        return [_value(name, shape.member) for _ in range(max(1, shape.metadata.get("min", 0)))]
    if isinstance(shape, MapShape):
        return {}
    if shape.type_name in ("integer", "long", "float", "double"):
        return max(shape.metadata.get("min", 1), 1)
    if shape.type_name == "boolean":
        return True
    if shape.type_name == "timestamp":
        return datetime(2030, 1, 1, tzinfo=UTC)
    return b"{}" if shape.type_name == "blob" else _text(shape)


def _text(shape: Shape) -> str:
    if shape.enum:
        return str(shape.enum[0])
    smallest, largest = shape.metadata.get("min", 0), shape.metadata.get("max", 1 << 20)
    pattern = compile_pattern(shape.metadata["pattern"]) if "pattern" in shape.metadata else re.compile(".*")
    for text in _TEXTS:
        if smallest <= len(text) <= largest and (pattern is None or pattern.fullmatch(text)):
            return text
    raise AssertionError(f"no text is valid for {shape.name}: {shape.metadata}")
