"""The policy of a bucket: its text, and its neutral form for core.storage.access.public_access."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.buckets.documents import not_configured
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage.access.public_access import POLICY
from lowcloud.core.storage.buckets import buckets, configurations
from lowcloud.core.storage.buckets.configurations import Document

MAX_POLICY_BYTES = 20 * 1024
_VERSIONS = ("2012-10-17", "2008-10-17")
_ELEMENTS = frozenset(
    ("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
)
_PRINCIPAL = {
    "AWS": re.compile(r"\*|\d{12}|arn:aws[\w-]*:(iam|sts)::\d{12}:(root|(user|role|federated-user|assumed-role)/.+)"),
    "CanonicalUser": re.compile(r"[0-9a-f]{64}"),
    "Service": re.compile(r"[\w.-]+\.amazonaws\.com(\.cn)?"),
    "Federated": re.compile(r".+"),
}
_ACTION = re.compile(r"\*|[sS]3(-[\w-]+)?:[\w*?]+")
_ARN = re.compile(r"arn:aws[\w-]*:s3:::(.+)")

# A statement with a fixed value of one of these keys is not public. Source: Amazon S3 User Guide, "The meaning of
# 'public'".
_RESTRICTING = frozenset(
    (
        "aws:sourceip",
        "aws:sourcearn",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:sourceowner",
        "aws:sourceaccount",
        "aws:userid",
        "aws:principalarn",
        "aws:principalaccount",
        "aws:principalorgid",
        "aws:principalorgpaths",
        "s3:dataaccesspointarn",
        "s3:dataaccesspointaccount",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    )
)
_RESTRICTING_OPERATORS = re.compile(
    r"(foranyvalue:|forallvalues:)?(stringequals|stringlike|arnequals|arnlike|ipaddress)"
)


@s3_operation("PutBucketPolicy", ignored=("ConfirmRemoveSelfBucketAccess",))  # no policy can lock out the account
def put_bucket_policy(context: Context, _caller: Caller, request: Request) -> Answer:
    bucket = buckets.find(context, request["Bucket"]).name
    document = parse_policy(request["Policy"], bucket)
    block = configurations.get(context, bucket, buckets.PUBLIC_ACCESS_BLOCK) or {}
    if document["is_public"] and block.get("block_policy"):
        message = "Public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access."
        raise AwsError("AccessDenied", message, 403)
    configurations.put(context, bucket, POLICY, document)
    return {}


@s3_operation("GetBucketPolicy")
def get_bucket_policy(context: Context, _caller: Caller, request: Request) -> Answer:
    text = _require(context, request["Bucket"])["text"]
    return {"Policy": text, "ResponseMetadata": {"HTTPHeaders": {"content-type": "application/json"}}}


@s3_operation("GetBucketPolicyStatus")
def get_bucket_policy_status(context: Context, _caller: Caller, request: Request) -> Answer:
    return {"PolicyStatus": {"IsPublic": _require(context, request["Bucket"])["is_public"]}}


@s3_operation("DeleteBucketPolicy")
def delete_bucket_policy(context: Context, _caller: Caller, request: Request) -> Answer:
    configurations.delete(context, request["Bucket"], POLICY)
    return {}


def parse_policy(text: str, bucket: str) -> dict[str, Any]:
    """Convert the policy of a bucket into core's form. Raises AwsError: MalformedPolicy."""
    if len(text.encode()) > MAX_POLICY_BYTES:
        raise AwsError("PolicyTooLarge", f"The policy has more than {MAX_POLICY_BYTES} bytes.")
    try:
        policy = json.loads(text)
        json.dumps(policy, ensure_ascii=False, allow_nan=False).encode()  # not all valid JSON can be serialised
    except (ValueError, RecursionError) as error:
        raise _malformed("Policies must be valid JSON and the first byte must be '{'") from error
    if not isinstance(policy, dict):
        raise _malformed("Policies must be valid JSON and the first byte must be '{'")
    if unknown := policy.keys() - {"Version", "Id", "Statement"}:
        raise _malformed(f"Unknown field {min(unknown)[:64]}")
    if policy.get("Version", _VERSIONS[0]) not in _VERSIONS:
        raise _malformed("The policy must contain a valid version string")
    statements = policy.get("Statement")
    listed: list[Any] = statements if isinstance(statements, list) else [statements]
    if not statements:
        raise _malformed("Missing required field Statement")
    converted = [_to_core(statement, bucket) for statement in listed]
    return {"text": text, "is_public": any(map(_is_public, converted)), "statements": converted}


def _to_core(statement: Any, bucket: str) -> dict[str, Any]:
    if not isinstance(statement, dict):
        raise _malformed("Statement must be an object")
    if unknown := statement.keys() - _ELEMENTS:
        raise _malformed(f"Unknown field {min(unknown)[:64]}")
    if "Effect" not in statement:
        raise _malformed("Missing required field Effect")
    if statement["Effect"] not in ("Allow", "Deny"):
        raise _malformed(f"Invalid effect: {str(statement['Effect'])[:64]}")
    for name in ("Principal", "Action", "Resource"):
        if (name in statement) == (f"Not{name}" in statement):
            raise _malformed(f"Missing required field {name}")
    if not isinstance(statement.get("Condition", {}), dict):
        raise _malformed("Invalid Condition")
    parsed = {
        name: _PARSERS[name.removeprefix("Not")](value, bucket)
        for name, value in statement.items()
        if name.removeprefix("Not") in _PARSERS
    }
    return {
        "allows": statement["Effect"] == "Allow",
        "everyone": ("AWS", "*") in parsed.get("Principal", ()),
        "others": "NotPrincipal" in parsed,
        "actions": parsed.get("Action"),
        "not_actions": parsed.get("NotAction"),
        "resources": parsed.get("Resource"),
        "not_resources": parsed.get("NotResource"),
        "conditions": statement.get("Condition") or None,
    }


def _principals(principal: Any, _bucket: str) -> list[tuple[str, str]]:
    """Return (kind, name) of each principal; "*" means every account."""
    if principal == "*":
        return [("AWS", "*")]
    if not isinstance(principal, dict) or not principal:
        raise _malformed("Invalid principal in policy")
    named = [(kind, name) for kind, names in principal.items() for name in _texts(names, "principal")]
    if not named or any(kind not in _PRINCIPAL or not _PRINCIPAL[kind].fullmatch(name) for kind, name in named):
        raise _malformed("Invalid principal in policy")
    return named


def _actions(value: Any, _bucket: str) -> list[str]:
    actions = _texts(value, "action")
    if not all(map(_ACTION.fullmatch, actions)):
        raise _malformed("Policy has invalid action")
    return [action.lower() for action in actions]


def _resources(value: Any, bucket: str) -> list[str]:
    """Return the resources as "bucket" or "bucket/key", all of this bucket."""
    resources = []
    for text in _texts(value, "resource"):
        match = _ARN.fullmatch(text)
        if match is None or match[1].partition("/")[0] != bucket:
            raise _malformed("Policy has invalid resource")
        resources.append(match[1])
    return resources


_PARSERS: Mapping[str, Callable[[Any, str], list[Any]]] = {
    "Principal": _principals,
    "Action": _actions,
    "Resource": _resources,
}


def _texts(value: Any, name: str) -> Sequence[str]:
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise _malformed(f"Policy has invalid {name}")
    return texts


def _is_public(statement: Mapping[str, Any]) -> bool:
    """Return whether a statement allows principals that it does not name (AWS's meaning of "public")."""
    if not statement["allows"] or not (statement["everyone"] or statement["others"]):
        return False
    return not any(
        _RESTRICTING_OPERATORS.fullmatch(operator.lower())
        and isinstance(keys, dict)
        and any(map(_restricts, keys.items()))
        for operator, keys in (statement["conditions"] or {}).items()
    )


def _restricts(condition: tuple[str, Any]) -> bool:
    """Return whether a condition's key and values restrict a statement to fixed ones."""
    key, value = condition
    values = value if isinstance(value, list) else [value]
    return key.lower() in _RESTRICTING and not any("*" in str(text) or str(text).endswith("/0") for text in values)


def _require(context: Context, bucket: str) -> Document:
    policy = configurations.get(context, bucket, POLICY)
    if policy is None:
        raise not_configured("NoSuchBucketPolicy", "The bucket policy does not exist", bucket)
    return policy


def _malformed(message: str) -> AwsError:
    return AwsError("MalformedPolicy", message)
