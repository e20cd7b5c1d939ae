"""The policy of a bucket."""

import re

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.buckets.documents import not_configured
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.permissions import OnBucket
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.policies import documents
from lowcloud.core.policies.conditions import Condition
from lowcloud.core.policies.documents import EVERYONE, Policy, PolicyError, Statement
from lowcloud.core.storage.access.bucket_access import POLICY
from lowcloud.core.storage.buckets import buckets, configurations
from lowcloud.core.storage.buckets.configurations import Document

MAX_POLICY_BYTES = 20 * 1024
_PRINCIPAL = {
    "AWS": re.compile(r"\*|\d{12}|arn:aws[\w-]*:(iam|sts)::\d{12}:(root|(user|role|federated-user|assumed-role)/.+)"),
    "CanonicalUser": re.compile(r"[0-9a-f]{64}"),
    "Service": re.compile(r"[\w.-]+\.amazonaws\.com(\.cn)?"),
    "Federated": re.compile(r".+"),
}
_ACTION = re.compile(r"\*|s3(-[\w-]+)?:[\w*?]+")
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
_RESTRICTING_OPERATORS = ("stringequals", "stringlike", "arnequals", "arnlike", "ipaddress")


@s3_operation(
    "PutBucketPolicy", OnBucket("s3:PutBucketPolicy"), ignored=("ConfirmRemoveSelfBucketAccess",)
)  # no policy can lock out the account
def put_bucket_policy(context: Context, _caller: Caller, request: Request) -> Answer:
    bucket = buckets.find(context, request["Bucket"]).name
    document = {"text": request["Policy"], "is_public": is_public(parse_policy(request["Policy"], bucket))}
    block = configurations.get(context, bucket, buckets.PUBLIC_ACCESS_BLOCK) or {}
    if document["is_public"] and block.get("block_policy"):
        message = "Public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access."
        raise AwsError("AccessDenied", message, 403)
    configurations.put(context, bucket, POLICY, document)
    return {}


@s3_operation("GetBucketPolicy", OnBucket("s3:GetBucketPolicy"))
def get_bucket_policy(context: Context, _caller: Caller, request: Request) -> Answer:
    text = _require(context, request["Bucket"])["text"]
    return {"Policy": text, "ResponseMetadata": {"HTTPHeaders": {"content-type": "application/json"}}}


@s3_operation("GetBucketPolicyStatus", OnBucket("s3:GetBucketPolicyStatus"))
def get_bucket_policy_status(context: Context, _caller: Caller, request: Request) -> Answer:
    return {"PolicyStatus": {"IsPublic": _require(context, request["Bucket"])["is_public"]}}


@s3_operation("DeleteBucketPolicy", OnBucket("s3:DeleteBucketPolicy"))
def delete_bucket_policy(context: Context, _caller: Caller, request: Request) -> Answer:
    configurations.delete(context, request["Bucket"], POLICY)
    return {}


def parse_policy(text: str, bucket: str) -> Policy:
    """Parse and check the policy of a bucket. Raises AwsError: MalformedPolicy, PolicyTooLarge."""
    if len(text.encode(errors="surrogatepass")) > MAX_POLICY_BYTES:
        raise AwsError("PolicyTooLarge", f"The policy has more than {MAX_POLICY_BYTES} bytes.")
    try:
        policy = documents.parse(text, documents.RESOURCE)
    except PolicyError as error:
        raise _malformed(str(error)) from error
    for statement in policy.statements:
        _check_statement(statement, bucket)
    return policy


def is_public(policy: Policy) -> bool:
    """Return whether a policy allows principals that it does not name (AWS's meaning of "public")."""
    return any(
        statement.allows
        and (EVERYONE in statement.principals or statement.excludes_principals)
        and not any(map(_restricts, statement.conditions))
        for statement in policy.statements
    )


def _check_statement(statement: Statement, bucket: str) -> None:
    for kind, name in statement.principals:
        if not _PRINCIPAL[kind].fullmatch(name):
            raise _malformed("Invalid principal in policy")
    for action in statement.actions:
        if not _ACTION.fullmatch(action.text):
            raise _malformed("Policy has invalid action")
    for resource in statement.resources:
        match = _ARN.fullmatch(resource.text)
        if match is None or match[1].partition("/")[0] != bucket:
            raise _malformed("Policy has invalid resource")


def _restricts(condition: Condition) -> bool:
    """Return whether a condition restricts a statement to fixed values."""
    return (
        condition.name in _RESTRICTING_OPERATORS
        and condition.key in _RESTRICTING
        and not any("*" in value.text or value.text.endswith("/0") for value in condition.values)
    )


def _require(context: Context, bucket: str) -> Document:
    policy = configurations.get(context, bucket, POLICY)
    if policy is None:
        raise not_configured("NoSuchBucketPolicy", "The bucket policy does not exist", bucket)
    return policy


def _malformed(message: str) -> AwsError:
    return AwsError("MalformedPolicy", message)
