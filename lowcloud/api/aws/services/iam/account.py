"""IAM operations on the account as a whole: its summary, all that it contains, and its report of credentials."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from lowcloud.api.aws.access.permissions import on_any
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.iam import attachments, instance_profiles, policies, trust_policies
from lowcloud.api.aws.services.iam.roles import describe_whole
from lowcloud.api.aws.services.iam.translation import (
    arn_of,
    boundary_of,
    describe_group,
    describe_user,
    encode,
    page,
    tags_of,
)
from lowcloud.core.context import Context
from lowcloud.core.identity import (
    access_keys,
    entities,
    groups,
    managed_policies,
    permissions,
    roles,
    users,
)
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.entities import Found
from lowcloud.core.identity.federation import oidc_providers
from lowcloud.core.identity.groups import GROUP
from lowcloud.core.identity.instance_profiles import INSTANCE_PROFILE, PROFILES_LIMIT
from lowcloud.core.identity.instance_profiles import of_role as profiles_of_role
from lowcloud.core.identity.managed_policies import MANAGED_POLICY, Usage
from lowcloud.core.identity.roles import ROLE
from lowcloud.core.identity.users import USER, User
from lowcloud.core.resource_kind import ResourceKind

EVERY = 1_000_000  # entities of a kind at once
REPORT_COLUMNS = (
    "user",
    "arn",
    "user_creation_time",
    "password_enabled",
    "password_last_used",
    "password_last_changed",
    "password_next_rotation",
    "mfa_active",
    *(
        f"access_key_{number}_{what}"
        for number in (1, 2)
        for what in ("active", "last_rotated", "last_used_date", "last_used_region", "last_used_service")
    ),
    "cert_1_active",
    "cert_1_last_rotated",
    "cert_2_active",
    "cert_2_last_rotated",
)
UNKNOWN = "N/A"
_NO_PASSWORD = ("false", UNKNOWN, UNKNOWN, UNKNOWN, "false")
_NO_KEY = ("false", UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN)
_NO_CERTIFICATES = ("false", UNKNOWN, "false", UNKNOWN)


@operation("iam", "GetAccountSummary", on_any())
def get_account_summary(context: Context, caller: Caller, request: Request) -> Answer:
    return {
        "SummaryMap": {
            "Users": len(_all(context, USER)),
            "UsersQuota": users.USERS_LIMIT,
            "Groups": len(_all(context, GROUP)),
            "GroupsQuota": groups.GROUPS_LIMIT,
            "Roles": len(_all(context, ROLE)),
            "RolesQuota": roles.ROLES_LIMIT,
            "Policies": len(_all(context, MANAGED_POLICY)),
            "PoliciesQuota": managed_policies.POLICIES_LIMIT,
            "InstanceProfiles": len(_all(context, INSTANCE_PROFILE)),
            "InstanceProfilesQuota": PROFILES_LIMIT,
            "Providers": len(oidc_providers.list_all(context)),
            "PolicySizeQuota": managed_policies.CHARACTERS_LIMIT,
            "VersionsPerPolicyQuota": managed_policies.VERSIONS_LIMIT,
            "UserPolicySizeQuota": permissions.INLINE_CHARACTERS["user"],
            "GroupPolicySizeQuota": permissions.INLINE_CHARACTERS["group"],
            "AssumeRolePolicySizeQuota": trust_policies.CHARACTERS_LIMIT,
            "RolePolicySizeQuota": permissions.INLINE_CHARACTERS["role"],
            "GroupsPerUserQuota": groups.GROUPS_OF_USER_LIMIT,
            "AccessKeysPerUserQuota": access_keys.KEYS_LIMIT,
            "AttachedPoliciesPerUserQuota": permissions.ATTACHMENTS_LIMIT,
            "AttachedPoliciesPerGroupQuota": permissions.ATTACHMENTS_LIMIT,
            "AttachedPoliciesPerRoleQuota": permissions.ATTACHMENTS_LIMIT,
            "AccountAccessKeysPresent": 1,
            "AccountPasswordPresent": 0,
            "AccountMFAEnabled": 0,
            "MFADevices": 0,
            "MFADevicesInUse": 0,
            "ServerCertificates": 0,
        }
    }


@operation("iam", "GetAccountAuthorizationDetails", on_any())
def get_account_authorization_details(context: Context, caller: Caller, request: Request) -> Answer:
    """Users, groups, roles and policies in one list of pages, as AWS has them."""
    wanted = request.get("Filter") or list(_DETAILS)
    found = [(_DETAILS[name][0], item) for name in _DETAILS if name in wanted for item in _DETAILS[name][1](context)]
    answer = page("found", found, request)
    on_page = answer.pop("found")
    members = dict.fromkeys(member for member, _ in _DETAILS.values())
    return {**answer, **{member: [item for name, item in on_page if name == member] for member in members}}


@operation("iam", "GenerateCredentialReport", on_any())
def generate_credential_report(context: Context, caller: Caller, request: Request) -> Answer:
    """A report is made when it is asked for, so there is never one to wait for."""
    return {"State": "COMPLETE"}


@operation("iam", "GetCredentialReport", on_any())
def get_credential_report(context: Context, caller: Caller, request: Request) -> Answer:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(REPORT_COLUMNS)
    root = f"arn:aws:iam::{context.account_id}:root"
    writer.writerow(
        ["<root_account>", root, UNKNOWN, *_NO_PASSWORD, "true", *[UNKNOWN] * 4, *_NO_KEY, *_NO_CERTIFICATES]
    )
    for user in _all(context, USER):
        writer.writerow(_report_row(context, user))
    return {"Content": text.getvalue().encode(), "ReportFormat": "text/csv", "GeneratedTime": context.now()}


def _all(context: Context, kind: ResourceKind[Found]) -> Sequence[Found]:
    return entities.list_page(context, kind, "/", "", EVERY)[0]


def _user_details(context: Context) -> Iterator[Mapping[str, Any]]:
    for user in _all(context, USER):
        yield {
            **describe_user(user),
            **boundary_of(user),
            **tags_of(context, user),
            "UserPolicyList": _inline(context, USER, user.name),
            "AttachedManagedPolicies": _attached(context, USER, user.name),
            "GroupList": [group.name for group in groups.of_user(context, user.name)],
        }


def _group_details(context: Context) -> Iterator[Mapping[str, Any]]:
    for group in _all(context, GROUP):
        yield {
            **describe_group(group),
            "GroupPolicyList": _inline(context, GROUP, group.name),
            "AttachedManagedPolicies": _attached(context, GROUP, group.name),
        }


def _role_details(context: Context) -> Iterator[Mapping[str, Any]]:
    for role in _all(context, ROLE):
        yield {
            **describe_whole(context, role),
            "InstanceProfileList": [
                instance_profiles.describe(context, profile) for profile in profiles_of_role(context, role.name)
            ],
            "RolePolicyList": _inline(context, ROLE, role.name),
            "AttachedManagedPolicies": _attached(context, ROLE, role.name),
        }


def _own_policies(context: Context) -> Iterator[Mapping[str, Any]]:
    return _policy_details(context, managed_policies.list_all(context))


def _aws_policies(context: Context) -> Iterator[Mapping[str, Any]]:
    """Those that the account uses, as AWS has it."""
    in_use = managed_policies.usage(context)
    return _policy_details(context, [policy for policy in managed_policies.list_aws() if policy.arn in in_use])


def _policy_details(context: Context, found: Sequence[managed_policies.ManagedPolicy]) -> Iterator[Mapping[str, Any]]:
    usage = managed_policies.usage(context)
    for policy in found:
        versions = managed_policies.versions(context, policy.arn)
        yield {
            **policies.describe(policy, usage.get(policy.arn, Usage())),
            "Description": policy.description or None,
            "PolicyVersionList": [
                {**policies.describe_version(version), "Document": encode(version.document)} for version in versions
            ],
        }


_DETAILS: dict[str, tuple[str, Callable[[Context], Iterator[Mapping[str, Any]]]]] = {
    "User": ("UserDetailList", _user_details),
    "Group": ("GroupDetailList", _group_details),
    "Role": ("RoleDetailList", _role_details),
    "LocalManagedPolicy": ("Policies", _own_policies),
    "AWSManagedPolicy": ("Policies", _aws_policies),
}


def _inline(context: Context, kind: ResourceKind[Found], name: str) -> list[dict[str, str]]:
    found = permissions.inline(context, kind, name)
    return [{"PolicyName": policy.name, "PolicyDocument": encode(policy.document)} for policy in found]


def _attached(context: Context, kind: ResourceKind[Found], name: str) -> list[dict[str, str]]:
    return [attachments.describe(arn) for arn in permissions.attachments(context, kind, name)]


def _report_row(context: Context, user: User) -> list[str]:
    keys = [*access_keys.of_user(context, user.name), None, None][: access_keys.KEYS_LIMIT]
    of_keys = [
        cell
        for key in keys
        for cell in (
            (
                str(key.is_active).lower(),
                _time(key.created_at),
                _time(key.last_used_at),
                key.last_used_region or UNKNOWN,
                key.last_used_service or UNKNOWN,
            )
            if key
            else _NO_KEY
        )
    ]
    return [user.name, arn_of("user", user), _time(user.created_at), *_NO_PASSWORD, *of_keys, *_NO_CERTIFICATES]


def _time(seconds: float | None) -> str:
    return UNKNOWN if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
