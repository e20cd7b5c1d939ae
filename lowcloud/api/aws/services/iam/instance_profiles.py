"""IAM operations on instance profiles."""

from typing import Any

from lowcloud.api.aws.access.permissions import every, on_any
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.iam.permissions import on_instance_profile, on_role, tagged
from lowcloud.api.aws.services.iam.translation import (
    arn_of,
    describe_role,
    entity_page,
    page,
    read_tags,
    tags_of,
    write_tags,
)
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.identity import entities, instance_profiles
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.instance_profiles import INSTANCE_PROFILE, InstanceProfile


@operation("iam", "CreateInstanceProfile", tagged(on_instance_profile(), "iam:TagInstanceProfile"))
def create_instance_profile(context: Context, caller: Caller, request: Request) -> Answer:
    name, tags = request["InstanceProfileName"], read_tags(request)
    profile = instance_profiles.create(context, name, request.get("Path", "/"), tags)
    return {"InstanceProfile": {**describe(context, profile), **tags_of(context, profile)}}


@operation("iam", "GetInstanceProfile", on_instance_profile())
def get_instance_profile(context: Context, caller: Caller, request: Request) -> Answer:
    profile = resources.find(context, INSTANCE_PROFILE, request["InstanceProfileName"])
    return {"InstanceProfile": {**describe(context, profile), **tags_of(context, profile)}}


@operation("iam", "ListInstanceProfiles", on_any())
def list_instance_profiles(context: Context, caller: Caller, request: Request) -> Answer:
    return entity_page(
        context, INSTANCE_PROFILE, "InstanceProfiles", request, lambda profile: describe(context, profile)
    )


@operation("iam", "ListInstanceProfilesForRole", on_role())
def list_instance_profiles_for_role(context: Context, caller: Caller, request: Request) -> Answer:
    found = instance_profiles.of_role(context, request["RoleName"])
    return page("InstanceProfiles", [describe(context, profile) for profile in found], request)


@operation("iam", "DeleteInstanceProfile", on_instance_profile())
def delete_instance_profile(context: Context, caller: Caller, request: Request) -> Answer:
    instance_profiles.delete(context, request["InstanceProfileName"])
    return {}


@operation("iam", "AddRoleToInstanceProfile", every(on_instance_profile(), on_role("iam:PassRole")))
def add_role_to_instance_profile(context: Context, caller: Caller, request: Request) -> Answer:
    instance_profiles.add_role(context, request["InstanceProfileName"], request["RoleName"])
    return {}


@operation("iam", "RemoveRoleFromInstanceProfile", on_instance_profile())
def remove_role_from_instance_profile(context: Context, caller: Caller, request: Request) -> Answer:
    instance_profiles.remove_role(context, request["InstanceProfileName"], request["RoleName"])
    return {}


@operation("iam", "TagInstanceProfile", on_instance_profile())
def tag_instance_profile(context: Context, caller: Caller, request: Request) -> Answer:
    entities.tag(context, INSTANCE_PROFILE, request["InstanceProfileName"], read_tags(request))
    return {}


@operation("iam", "UntagInstanceProfile", on_instance_profile())
def untag_instance_profile(context: Context, caller: Caller, request: Request) -> Answer:
    entities.untag(context, INSTANCE_PROFILE, request["InstanceProfileName"], request["TagKeys"])
    return {}


@operation("iam", "ListInstanceProfileTags", on_instance_profile())
def list_instance_profile_tags(context: Context, caller: Caller, request: Request) -> Answer:
    profile = resources.find(context, INSTANCE_PROFILE, request["InstanceProfileName"])
    return page("Tags", write_tags(entities.tags_of(context, profile)), request)


def describe(context: Context, profile: InstanceProfile) -> dict[str, Any]:
    """Return what lists say of a profile."""
    role = instance_profiles.role_of(context, profile)
    return {
        "Path": profile.path,
        "InstanceProfileName": profile.name,
        "InstanceProfileId": profile.id,
        "Arn": arn_of("instance-profile", profile),
        "CreateDate": profile.created_at,
        "Roles": [describe_role(role)] if role else [],
    }
