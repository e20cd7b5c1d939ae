"""The permissions that operations of IAM need, with the condition keys of IAM.

Source: Service Authorization Reference, "Actions, resources, and condition keys for AWS Identity and Access
Management (IAM)".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lowcloud.api.aws.access.calls import Access, Call
from lowcloud.api.aws.access.permissions import every, request_tag_facts
from lowcloud.core import resources
from lowcloud.core.errors import NotFoundError
from lowcloud.core.identity import arns, entities
from lowcloud.core.identity.access import Permission
from lowcloud.core.identity.groups import GROUP
from lowcloud.core.identity.instance_profiles import INSTANCE_PROFILE
from lowcloud.core.identity.roles import ROLE
from lowcloud.core.identity.users import USER
from lowcloud.core.policies.requests import LazyFacts, PrincipalKind, Values, combined
from lowcloud.core.resource_kind import ResourceKind

_TAG_PREFIXES = ("aws:resourcetag/", "iam:resourcetag/")


@dataclass(frozen=True)
class OnEntity:
    """Needs an action on the user, group, role or instance profile that a member of the request names."""

    kind: ResourceKind[Any]
    member: str
    action: str = ""  # "": the operation's own
    when: str = ""  # the member of the request that asks for it; "": always

    def __call__(self, call: Call) -> Iterator[Permission]:
        if self.when and not call.request.get(self.when):
            return
        action = self.action or call.action
        entity = self.find(call)
        if entity is None:
            arn = self._arn_of_missing(call)
            yield Permission(action, arn, call.context.account_id, combined(_facts(call), call.facts))
            return
        arn = arns.of(entity.account, self.kind.prefix, entity.path, entity.name)
        known = _facts(call)
        if boundary := getattr(entity, "boundary", None):
            known.setdefault("iam:permissionsboundary", (boundary,))

        def find(key: str) -> Values | None:
            if not key.startswith(_TAG_PREFIXES):
                return None
            wanted = key.partition("/")[2]
            values = (value for name, value in entities.tags_of(call.context, entity).items() if name.lower() == wanted)
            return tuple(values) or None

        yield Permission(action, arn, entity.account, LazyFacts(known, find, call.facts))

    def find(self, call: Call) -> Any:
        """Return the entity, or None if there is none of this name."""
        name = call.request.get(self.member)
        if name is None and self.kind is USER and call.caller.kind is PrincipalKind.USER:
            name = call.caller.name  # the caller itself
        if name is None:
            return None
        try:
            return resources.find(call.context, self.kind.in_account(call.context.account_id), name)
        except NotFoundError:
            return None

    def _arn_of_missing(self, call: Call) -> str:
        account, name = call.context.account_id, call.request.get(self.member, "*")
        return arns.of(account, self.kind.prefix, call.request.get("Path", "/"), name)


@dataclass(frozen=True)
class Renames:
    """Needs what `need` does on an entity, also under the name and path that it is to have."""

    need: OnEntity
    new_name: str  # the member of the request

    def __call__(self, call: Call) -> Iterator[Permission]:
        yield from self.need(call)
        request, account, prefix = call.request, call.context.account_id, self.need.kind.prefix
        if "NewPath" not in request and self.new_name not in request:
            return
        entity = self.need.find(call)
        path = request.get("NewPath") or (entity.path if entity else "/")
        name = request.get(self.new_name) or (entity.name if entity else request[self.need.member])
        yield Permission(call.action, arns.of(account, prefix, path, name), account, call.facts)


def on_user(action: str = "") -> OnEntity:
    """Return the need of an action on the user of a request, the caller itself if it names none."""
    return OnEntity(USER, "UserName", action)


def on_group(action: str = "") -> OnEntity:
    """Return the need of an action on the group of a request."""
    return OnEntity(GROUP, "GroupName", action)


def on_role(action: str = "") -> OnEntity:
    """Return the need of an action on the role of a request."""
    return OnEntity(ROLE, "RoleName", action)


def on_instance_profile(action: str = "") -> OnEntity:
    """Return the need of an action on the instance profile of a request."""
    return OnEntity(INSTANCE_PROFILE, "InstanceProfileName", action)


def tagged(need: OnEntity, tag_action: str) -> Access:
    """Return the need to create something, and to tag it if the request has tags."""
    return every(need, OnEntity(need.kind, need.member, tag_action, when="Tags"))


def creates_policy(call: Call) -> Iterator[Permission]:
    """Yield what a new managed policy needs, under the path that it is to have."""
    arn = arns.of(call.context.account_id, "policy", call.request.get("Path", "/"), call.request["PolicyName"])
    for action in (call.action, *(("iam:TagPolicy",) if call.request.get("Tags") else ())):
        yield Permission(action, arn, call.context.account_id, combined(_facts(call), call.facts))


def _facts(call: Call) -> dict[str, Values]:
    """Return the condition keys of IAM that a request has."""
    request = call.request
    facts: dict[str, Values] = {}
    for key, member in (
        ("iam:policyarn", "PolicyArn"),
        ("iam:permissionsboundary", "PermissionsBoundary"),
        ("iam:awsservicename", "AWSServiceName"),
    ):
        if member in request:
            facts[key] = (request[member],)
    tags = {tag["Key"]: tag["Value"] for tag in request.get("Tags", ())}
    facts |= request_tag_facts(tags)
    if "TagKeys" in request:
        facts["aws:tagkeys"] = tuple(request["TagKeys"])
    return facts
