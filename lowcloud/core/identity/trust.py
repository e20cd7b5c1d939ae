"""Trust policies: who may assume a role."""

import json
import logging
from dataclasses import replace
from functools import lru_cache

from lowcloud.core.context import Context
from lowcloud.core.identity import arns, caller_facts, caller_policies
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.roles import Role
from lowcloud.core.policies import documents
from lowcloud.core.policies.documents import Policy, PolicyError
from lowcloud.core.policies.evaluation import Policies, ResourceAccess, evaluate
from lowcloud.core.policies.requests import AccessRequest, Facts, Principal, PrincipalKind

ASSUME_ROLE = "sts:AssumeRole"
TAG_SESSION = "sts:TagSession"
SET_SOURCE_IDENTITY = "sts:SetSourceIdentity"

log = logging.getLogger("lowcloud.identity")


def may(context: Context, caller: Caller, role: Role, action: str, request: Facts) -> bool:
    """Return whether trust policy and the caller's own policies let a caller of this cloud do this with a role."""
    facts = caller_facts.of(context, caller, request)
    asked = AccessRequest(_as_named(caller, role), action, _arn(role), role.account, facts)
    return evaluate(asked, caller_policies.of(context, caller), _access(role)).allowed


def may_federated(context: Context, provider: str, role: Role, action: str, request: Facts) -> bool:
    """Return whether someone whose identity a provider (its ARN) has proved may do this with a role."""
    principal = Principal(PrincipalKind.FEDERATED_USER, role.account, provider=provider)
    facts = {**caller_facts.times(context), "aws:federatedprovider": (provider,), **request}
    asked = AccessRequest(principal, action, _arn(role), role.account, facts)
    return evaluate(asked, Policies(), _access(role)).allowed


def trusts_service(context: Context, role: Role, service: str, source_arn: str) -> bool:
    """Return whether a service ("sagemaker.amazonaws.com") may assume a role for a resource of the role's account."""
    facts = {
        **caller_facts.times(context),
        "aws:sourceaccount": (role.account,),
        "aws:sourcearn": (source_arn,),
        "aws:principalisawsservice": ("true",),
        "aws:principalservicename": (service,),
    }
    asked = AccessRequest(Principal(PrincipalKind.SERVICE, arn=service), ASSUME_ROLE, _arn(role), role.account, facts)
    return evaluate(asked, Policies(), _access(role)).allowed


def _as_named(caller: Caller, role: Role) -> Principal:
    """Return the caller under the name by which the trust policy knows it.

    A user who was renamed is still the one it names; who was created later, under the name of a deleted one, is not.
    """
    principal, trusted = caller.principal, json.loads(role.trusted_ids)
    names = {unique_id: arn for arn, unique_id in trusted.items()}
    if caller.kind is PrincipalKind.USER and caller.unique_id in names:
        return replace(principal, arn=names[caller.unique_id])
    if trusted.get(caller.role_arn or caller.arn, caller.unique_id) != caller.unique_id:
        return replace(principal, arn=caller.unique_id, role_arn="")
    return principal


def _arn(role: Role) -> str:
    return arns.of(role.account, "role", role.path, role.name)


def _access(role: Role) -> ResourceAccess:
    return ResourceAccess(_compiled(role.trust_policy), decides_alone=True)


@lru_cache(1024)
def _compiled(text: str) -> Policy | None:
    """Return a trust policy. One that an earlier version accepted, and this one does not, trusts nobody."""
    try:
        return documents.parse(text, documents.TRUST)
    except PolicyError as error:
        log.warning("a trust policy of an earlier version trusts nobody until it is corrected: %s", error)
        return None
