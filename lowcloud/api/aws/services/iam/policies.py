"""IAM operations on managed policies and their versions."""

from typing import Any

from lowcloud.api.aws.access.permissions import on, on_any
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.iam.errors import no_such_entity
from lowcloud.api.aws.services.iam.permissions import creates_policy
from lowcloud.api.aws.services.iam.translation import encode, page, read_tags, tags_of, write_tags
from lowcloud.core.context import Context
from lowcloud.core.identity import entities, managed_policies
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.managed_policies import MANAGED_POLICY, ManagedPolicy, Usage, Version
from lowcloud.core.policies import documents


@operation("iam", "CreatePolicy", creates_policy)
def create_policy(context: Context, caller: Caller, request: Request) -> Answer:
    documents.parse(request["PolicyDocument"], documents.IDENTITY)
    policy = managed_policies.create(
        context,
        request["PolicyName"],
        request["PolicyDocument"],
        request.get("Path", "/"),
        request.get("Description", ""),
        read_tags(request),
    )
    return {"Policy": {**describe(policy, Usage()), **tags_of(context, policy)}}


@operation("iam", "GetPolicy", on("{PolicyArn}"))
def get_policy(context: Context, caller: Caller, request: Request) -> Answer:
    policy = managed_policies.find(context, request["PolicyArn"])
    usage = managed_policies.usage(context).get(policy.arn, Usage())
    described = {**describe(policy, usage), "Description": policy.description or None}
    return {"Policy": {**described, **tags_of(context, policy)}}


@operation("iam", "ListPolicies", on_any())
def list_policies(context: Context, caller: Caller, request: Request) -> Answer:
    path, scope = request.get("PathPrefix", "/"), request.get("Scope", "All")
    found = [] if scope == "AWS" else managed_policies.list_all(context, path)
    found += [] if scope == "Local" else managed_policies.list_aws(path)
    usage = managed_policies.usage(context)
    described = [
        describe(policy, used) for policy in found if _is_wanted(request, used := usage.get(policy.arn, Usage()))
    ]
    return page("Policies", described, request)


@operation("iam", "DeletePolicy", on("{PolicyArn}"))
def delete_policy(context: Context, caller: Caller, request: Request) -> Answer:
    managed_policies.delete(context, request["PolicyArn"])
    return {}


@operation("iam", "CreatePolicyVersion", on("{PolicyArn}"))
def create_policy_version(context: Context, caller: Caller, request: Request) -> Answer:
    documents.parse(request["PolicyDocument"], documents.IDENTITY)
    becomes_default = request.get("SetAsDefault", False)
    version = managed_policies.add_version(context, request["PolicyArn"], request["PolicyDocument"], becomes_default)
    return {"PolicyVersion": describe_version(version)}


@operation("iam", "GetPolicyVersion", on("{PolicyArn}"))
def get_policy_version(context: Context, caller: Caller, request: Request) -> Answer:
    for version in managed_policies.versions(context, request["PolicyArn"]):
        if f"v{version.number}" == request["VersionId"]:
            return {"PolicyVersion": {**describe_version(version), "Document": encode(version.document)}}
    raise no_such_entity(f"Policy {request['PolicyArn']} version {request['VersionId']} does not exist.")


@operation("iam", "ListPolicyVersions", on("{PolicyArn}"))
def list_policy_versions(context: Context, caller: Caller, request: Request) -> Answer:
    found = managed_policies.versions(context, request["PolicyArn"])
    return page("Versions", [describe_version(version) for version in found], request)


@operation("iam", "SetDefaultPolicyVersion", on("{PolicyArn}"))
def set_default_policy_version(context: Context, caller: Caller, request: Request) -> Answer:
    managed_policies.set_default_version(context, request["PolicyArn"], _number(request))
    return {}


@operation("iam", "DeletePolicyVersion", on("{PolicyArn}"))
def delete_policy_version(context: Context, caller: Caller, request: Request) -> Answer:
    managed_policies.delete_version(context, request["PolicyArn"], _number(request))
    return {}


@operation("iam", "TagPolicy", on("{PolicyArn}"))
def tag_policy(context: Context, caller: Caller, request: Request) -> Answer:
    policy = managed_policies.require_own(context, request["PolicyArn"])
    entities.tag(context, MANAGED_POLICY, policy.name, read_tags(request))
    return {}


@operation("iam", "UntagPolicy", on("{PolicyArn}"))
def untag_policy(context: Context, caller: Caller, request: Request) -> Answer:
    policy = managed_policies.require_own(context, request["PolicyArn"])
    entities.untag(context, MANAGED_POLICY, policy.name, request["TagKeys"])
    return {}


@operation("iam", "ListPolicyTags", on("{PolicyArn}"))
def list_policy_tags(context: Context, caller: Caller, request: Request) -> Answer:
    policy = managed_policies.find(context, request["PolicyArn"])
    return page("Tags", write_tags(entities.tags_of(context, policy)), request)


def describe(policy: ManagedPolicy, usage: Usage) -> dict[str, Any]:
    """Return what lists say of a policy."""
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": f"v{policy.default_version}",
        "AttachmentCount": usage.attachments,
        "PermissionsBoundaryUsageCount": usage.boundaries,
        "IsAttachable": True,
        "CreateDate": policy.created_at,
        "UpdateDate": policy.modified_at,
    }


def describe_version(version: Version) -> dict[str, Any]:
    """Return a version without its document."""
    return {
        "VersionId": f"v{version.number}",
        "IsDefaultVersion": version.is_default,
        "CreateDate": version.created_at,
    }


def _is_wanted(request: Request, usage: Usage) -> bool:
    wanted = {"PermissionsPolicy": usage.attachments, "PermissionsBoundary": usage.boundaries}
    used = wanted.get(request.get("PolicyUsageFilter", ""), usage.attachments or usage.boundaries)
    return bool(used) if request.get("OnlyAttached") or "PolicyUsageFilter" in request else True


def _number(request: Request) -> int:
    """Return the number of a version, of which AWS allows a suffix."""
    return int(request["VersionId"].removeprefix("v").partition(".")[0])
