"""Whether policies allow a request: explicit deny first, deny by default, and what each sort of policy contributes.

Source: IAM User Guide, "Policy evaluation logic", "Evaluating identity-based policies with resource-based policies" and
"Permissions boundaries for IAM entities".
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum

from lowcloud.core.policies.documents import EVERYONE, INDEXED_ACTIONS, Policy, Statement
from lowcloud.core.policies.requests import AccessRequest, Principal, PrincipalKind


class PolicySort(Enum):
    """The sorts of policies, by their names in AWS's messages."""

    IDENTITY = "identity-based policy"
    RESOURCE = "resource-based policy"
    BOUNDARY = "permissions boundary"
    SESSION = "session policy"


Named = tuple[Policy, Statement]


@dataclass(frozen=True)
class Policies:
    """The policies of a principal. The root of an account has none: it may do everything in its account."""

    identity: Sequence[Policy] = ()  # attached to it, written into it, and those of its groups
    boundary: Policy | None = None  # None: no limit
    session: Sequence[Policy] | None = None  # of temporary credentials; None: no limit
    _on: dict[tuple[PolicySort, str, bool], Sequence[Named]] = field(default_factory=dict, repr=False, compare=False)

    def statements_on(self, sort: PolicySort, action: str, allows: bool) -> Sequence[Named]:
        """Return the statements of a sort of policy that allow an action to some, or those that deny it."""
        key = (sort, action, allows)
        found = self._on.get(key)
        if found is None:
            found = [(policy, one) for policy in self.of_sort(sort) for one in policy.statements_on(action, allows)]
            found.sort(key=lambda named: not named[1].is_unconditional)  # decide most requests at once
            if len(self._on) < INDEXED_ACTIONS:
                self._on[key] = found
        return found

    def of_sort(self, sort: PolicySort) -> Sequence[Policy]:
        """Return the policies of a sort other than RESOURCE."""
        if sort is PolicySort.IDENTITY:
            return self.identity
        if sort is PolicySort.BOUNDARY:
            return (self.boundary,) if self.boundary else ()
        return self.session or ()


class Grant(IntEnum):
    """What the owner of a resource grants to a principal."""

    NONE = 0
    ACCOUNT = 1  # to its account, which leaves the decision to the policies of the account's principals
    ROLE = 2  # to the session's role, which boundary and session policies limit nevertheless
    DIRECT = 3  # to the user, the session or everyone, and no other policy has to allow


@dataclass(frozen=True)
class ResourceAccess:
    """What the owner of a resource says about access to it."""

    policy: Policy | None = None
    granted: Grant = Grant.NONE  # by an access control list
    decides_alone: bool = False  # roles and keys: policies of a principal count only if this policy names its account

    @property
    def policies(self) -> Sequence[Policy]:
        """The policy, if there is one."""
        return (self.policy,) if self.policy else ()


UNSHARED = ResourceAccess()


@dataclass(frozen=True)
class Decision:
    """The answer, and the sort of policy that is the reason for it."""

    allowed: bool
    sort: PolicySort
    is_explicit: bool = False  # a statement denies, rather than none allows


def evaluate(request: AccessRequest, policies: Policies, resource: ResourceAccess = UNSHARED) -> Decision:
    """Return whether a request is allowed."""
    for sort in PolicySort:
        for _ in _denying(request, policies, resource, sort):
            return Decision(False, sort, is_explicit=True)

    grant = _grant_of_resource(request, resource)
    is_own = request.principal.account_id == request.resource_account
    if grant is Grant.NONE and (resource.decides_alone or not is_own):
        return Decision(False, PolicySort.RESOURCE)
    if request.principal.kind in (PrincipalKind.ANONYMOUS, PrincipalKind.SERVICE) or (is_own and grant is Grant.DIRECT):
        return Decision(True, PolicySort.RESOURCE)
    return _decision_of_principal(request, policies, is_allowed=is_own and grant is Grant.ROLE)


def matching(
    request: AccessRequest, policies: Policies, resource: ResourceAccess, decision: Decision
) -> Sequence[Named]:
    """Return the statements behind a decision: those that deny explicitly, or all that allow; for explanations."""
    if decision.is_explicit:
        return list(_denying(request, policies, resource, decision.sort))
    if not decision.allowed:
        return []
    shared = [
        (policy, statement)
        for policy, statement in _applying(_shared_on(resource, request.action, allows=True), request)
        if _grant_of(statement, request.principal) is not Grant.NONE
    ]
    own = policies.statements_on(PolicySort.IDENTITY, request.action, allows=True)
    return [*_applying(own, request), *shared]


def _denying(request: AccessRequest, policies: Policies, resource: ResourceAccess, sort: PolicySort) -> Iterable[Named]:
    if sort is PolicySort.RESOURCE:
        found = _shared_on(resource, request.action, allows=False)
        has_boundary = policies.boundary is not None
        return (
            (policy, statement)
            for policy, statement in _applying(found, request)
            if _is_denied_by(statement, request.principal, has_boundary)
        )
    found = policies.statements_on(sort, request.action, allows=False)
    return _applying(found, request) if found else ()


def _shared_on(resource: ResourceAccess, action: str, allows: bool) -> Sequence[Named]:
    policy = resource.policy
    return () if policy is None else [(policy, one) for one in policy.statements_on(action, allows)]


def _applying(found: Sequence[Named], request: AccessRequest) -> Iterator[Named]:
    return (named for named in found if named[1].applies(request))


def _are_allowing(policies: Policies, sort: PolicySort, request: AccessRequest) -> bool:
    return any(statement.applies(request) for _, statement in policies.statements_on(sort, request.action, allows=True))


def _grant_of_resource(request: AccessRequest, resource: ResourceAccess) -> Grant:
    """Return the strongest grant of the resource's policy or access control list."""
    if resource.policy is None:
        return resource.granted
    found = _applying(_shared_on(resource, request.action, allows=True), request)
    return max([resource.granted, *(_grant_of(statement, request.principal) for _, statement in found)])


def _decision_of_principal(request: AccessRequest, policies: Policies, is_allowed: bool) -> Decision:
    """Return what the principal's own policies decide; if `is_allowed`, they need only not limit it."""
    is_root = request.principal.kind is PrincipalKind.ROOT
    if not (is_allowed or is_root or _are_allowing(policies, PolicySort.IDENTITY, request)):
        return Decision(False, PolicySort.IDENTITY)
    if policies.boundary is not None and not _are_allowing(policies, PolicySort.BOUNDARY, request):
        return Decision(False, PolicySort.BOUNDARY)
    if policies.session is not None and not _are_allowing(policies, PolicySort.SESSION, request):
        return Decision(False, PolicySort.SESSION)
    return Decision(True, PolicySort.IDENTITY)


def _grant_of(statement: Statement, principal: Principal) -> Grant:
    """Return how a statement of a resource-based policy that allows names a principal."""
    names = statement.principals
    if not names.isdisjoint((EVERYONE, *principal.names)):
        return Grant.DIRECT
    if principal.role_arn and ("AWS", principal.role_arn) in names:
        return Grant.ROLE
    return Grant.NONE if names.isdisjoint(principal.account_names) else Grant.ACCOUNT


def _is_denied_by(statement: Statement, principal: Principal, has_boundary: bool) -> bool:
    """Return whether a statement of a resource-based policy that denies is about a principal."""
    if not statement.excludes_principals:
        return _grant_of(statement, principal) is not Grant.NONE
    return has_boundary or not _is_spared(statement, principal)  # NotPrincipal never spares one with a boundary


def _is_spared(statement: Statement, principal: Principal) -> bool:
    """Return whether NotPrincipal names a principal: each of its account, its role and itself.

    AWS documents that a policy which lacks one of them may deny, so this one does.
    """
    names = statement.principals
    if EVERYONE in names:
        return True
    if principal.kind is PrincipalKind.ROOT:
        return not names.isdisjoint(principal.account_names)
    if names.isdisjoint(principal.names):
        return False
    if principal.kind is PrincipalKind.SERVICE:
        return True
    has_role = not principal.role_arn or ("AWS", principal.role_arn) in names
    return has_role and not names.isdisjoint(principal.account_names)
