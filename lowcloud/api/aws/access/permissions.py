"""How operations declare the permissions that they need.

    @operation("sagemaker", "StopTrainingJob", access=on("training-job/{TrainingJobName}"))

names a resource of the operation's service by the rest of its ARN, with the members of the request in braces.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lowcloud.api.aws.access.calls import Access, Call
from lowcloud.core import resources, tags
from lowcloud.core.errors import NotFoundError
from lowcloud.core.identity import arns
from lowcloud.core.identity.access import Permission
from lowcloud.core.identity.arns import AWS_ACCOUNT
from lowcloud.core.policies.requests import NO_FACTS, Facts, LazyFacts, Values, combined

ARN_HEADS = {  # by the prefix of actions
    "cloudwatch": "arn:aws:cloudwatch:{region}:{account}:",
    "iam": "arn:aws:iam::{account}:",
    "logs": "arn:aws:logs:{region}:{account}:",
    "lowcloud": "arn:aws:lowcloud:{region}:{account}:",
    "sagemaker": "arn:aws:sagemaker:{region}:{account}:",
    "sts": "arn:aws:sts::{account}:",
}
_MEMBER = re.compile(r"\{(\w+)\}")

FindFacts = Callable[[Call], Facts]
_FACTS: dict[str, FindFacts] = {}  # condition keys of a service, from its requests


@dataclass(frozen=True)
class On:
    """Needs an action on each of these resources; on all of its kind, if the request does not have its name."""

    resources: tuple[str, ...]
    action: str = ""  # "" : the operation's own
    when: str = ""  # the member of the request that asks for it; "": always

    def __call__(self, call: Call) -> Iterator[Permission]:
        if self.when and not call.request.get(self.when):
            return
        action = self.action or call.action
        facts = combined(service_facts(call), call.facts)
        for template in self.resources:
            yield permission(call, action, arn_of(call, action.partition(":")[0], template), facts)


@dataclass(frozen=True)
class PassesRole:
    """Needs iam:PassRole on the role that a request names for a service to use."""

    member: str
    service: str

    def __call__(self, call: Call) -> Iterator[Permission]:
        arn = canonical(call, call.request.get(self.member, ""))
        if account_of(arn) == call.context.account_id:  # the operation refuses the roles of other accounts
            facts = combined({"iam:passedtoservice": (self.service,)}, call.facts)
            yield permission(call, "iam:PassRole", arn, facts)


@dataclass(frozen=True)
class Every:
    """Needs what each of its parts needs."""

    parts: tuple[Access, ...]

    def __call__(self, call: Call) -> Iterator[Permission]:
        for part in self.parts:
            yield from part(call)


def NOTHING(call: Call) -> Iterator[Permission]:  # noqa: N802 (a constant to declarations)
    """Need nothing: every caller with credentials may do it."""
    yield from ()


def on(*resources: str, action: str = "", when: str = "") -> On:
    """Return the need of an action on resources."""
    return On(resources, action, when)


def on_any(action: str = "") -> On:
    """Return the need of an action that has no resource, such as to list."""
    return On(("*",), action)


def creates(resource: str, *others: Access) -> Every:
    """Return the need to create a resource of SageMaker, and to tag it if the request has tags."""
    return Every((on(resource), on(resource, action="sagemaker:AddTags", when="Tags"), *others))


def every(*parts: Access) -> Every:
    """Return the need of all parts."""
    return Every(parts)


def passes_role(member: str, service: str) -> PassesRole:
    """Return the need to pass the role in a member of the request to a service."""
    return PassesRole(member, service)


def register_facts(service: str, find: FindFacts) -> None:
    """Register the condition keys of a service's own."""
    assert service not in _FACTS, f"the condition keys of {service} are registered twice"
    _FACTS[service] = find


def service_facts(call: Call) -> Facts:
    """Return the values of the condition keys of the call's service."""
    find = _FACTS.get(call.service)
    return find(call) if find else {}


def arn_of(call: Call, service: str, template: str) -> str:
    """Return the ARN that a template stands for, with * for the members that the request lacks."""
    if template == "*":
        return template
    names = _MEMBER.findall(template)
    values = {name: str(call.request.get(name) or "*") for name in names}
    if template.startswith("{") and values[names[0]].startswith("arn:"):
        return canonical(call, values[names[0]])
    prefix, slash, name = _MEMBER.sub(lambda match: _name(values[match[1]]), template).partition("/")
    head = ARN_HEADS[service].format(region=call.context.settings.region, account=call.context.account_id)
    return f"{head}{prefix}{slash}{_spelling(call, prefix, name)}"


def canonical(call: Call, arn: str) -> str:
    """Return an ARN from a request as policies write it, so that no other spelling of it evades them.

    The operation refuses an ARN of another region, partition or account, and a role with another path.
    """
    if arn.startswith("arn:aws:sagemaker:"):
        head, _, subject = arn.rpartition(":")
        prefix, slash, name = subject.partition("/")
        return f"{head}:{prefix}{slash}{_spelling(call, prefix, name)}"
    entity = _entity_of(call, arn)
    sort = arn.rpartition(":")[2].partition("/")[0]
    return arn if entity is None else arns.of(entity.account, sort, entity.path, entity.name)


def permission(call: Call, action: str, arn: str, facts: Facts) -> Permission:
    """Return the permission of an action on the resource of an ARN, with its tags as facts."""
    account = account_of(arn).replace(AWS_ACCOUNT, "") or call.context.account_id  # what AWS has is everybody's
    return Permission(action, arn, account, LazyFacts(NO_FACTS, _tag_finder(call, action, arn), facts))


def account_of(arn: str) -> str:
    """Return the account in an ARN, or ""."""
    parts = arn.split(":", 5)
    return parts[4] if len(parts) > 5 else ""


def _name(value: str) -> str:
    """Return the name in a member that may be an ARN as well."""
    return value.partition("/")[2] if value.startswith("arn:") else value


def _entity_of(call: Call, arn: str) -> Any:
    """Return the user, group, role, policy or instance profile that an ARN names, or None if it names none."""
    parts = arns.parse(arn)
    kind = None if parts is None else call.context.kinds.find(parts.sort)
    if parts is None or kind is None or parts.account_id != call.context.account_id:
        return None
    try:
        return resources.find(call.context, kind, parts.name)
    except NotFoundError:
        return None


def _tag_subject(call: Call, arn: str) -> str:
    """Return under what the tags of a resource are stored."""
    account, rest = arn.split(":", 5)[4:] if arn.count(":") >= 5 else ("", arn)
    if rest.startswith("oidc-provider/"):
        return f"oidc-provider/{account}/{rest.partition('/')[2]}"
    entity = _entity_of(call, arn)
    return rest if entity is None else str(entity.id)


def _spelling(call: Call, prefix: str, name: str) -> str:
    """Return a name as it was created: where case does not matter, policies must not be evaded by another one."""
    kind = call.context.kinds.find(prefix)
    if kind is None or not kind.ignores_case:
        return name
    try:
        return str(resources.find(call.context, kind, name).name)
    except NotFoundError:
        return name


def _tag_finder(call: Call, action: str, arn: str) -> Callable[[str], Values | None]:
    """Return a function that finds aws:ResourceTag/KEY, and the same of the service, when a condition asks for it."""
    prefixes = ("aws:resourcetag/", f"{action.partition(':')[0].lower()}:resourcetag/")
    found: dict[str, Values] = {}
    loaded = False

    def find(key: str) -> Values | None:
        nonlocal loaded
        if not key.startswith(prefixes):
            return None
        if not loaded:
            subject = _tag_subject(call, arn)
            for name, value in tags.of_many(call.context, [subject]).get(subject, {}).items():
                found[name.lower()] = (*found.get(name.lower(), ()), value)
            loaded = True
        return found.get(key.partition("/")[2])

    return find


def request_tag_facts(values: Mapping[str, str]) -> Facts:
    """Return aws:RequestTag/KEY and aws:TagKeys of the tags in a request."""
    facts: dict[str, Values] = {f"aws:requesttag/{key.lower()}": (value,) for key, value in values.items()}
    return {**facts, "aws:tagkeys": tuple(values)} if values else {}
