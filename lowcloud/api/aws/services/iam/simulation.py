"""IAM operations that evaluate policies without performing anything, with the evaluator that decides on requests."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lowcloud.api.aws.access.permissions import account_of, on, on_any
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.iam.errors import invalid
from lowcloud.api.aws.services.pages import page_of
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.identity import arns, caller_facts, caller_policies
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.groups import GROUP
from lowcloud.core.identity.roles import ROLE
from lowcloud.core.identity.users import USER
from lowcloud.core.policies import conditions, documents
from lowcloud.core.policies.documents import Elements, Policy, PolicyError, Statement
from lowcloud.core.policies.evaluation import Policies, ResourceAccess
from lowcloud.core.policies.positions import Position, Positions
from lowcloud.core.policies.requests import AccessRequest, Facts, Principal, PrincipalKind, Values
from lowcloud.core.policies.simulation import Simulation, context_keys, simulate
from lowcloud.core.resource_kind import ResourceKind

DEFAULT_PAGE_SIZE = 100
MAX_EVALUATIONS = 10_000  # actions times resources of one request
ALLOWED, EXPLICIT_DENY, IMPLICIT_DENY = "allowed", "explicitDeny", "implicitDeny"  # from the mildest on
_CHECKS: Mapping[str, Callable[[str], object]] = {  # of the values of a context key, by its type
    "string": str,
    "boolean": conditions.boolean,
    **{
        kind: conditions.OPERATORS[operator].check
        for kind, operator in (
            ("numeric", "numericequals"),
            ("date", "dateequals"),
            ("ip", "ipaddress"),
            ("binary", "binaryequals"),
        )
    },
}
_KINDS: dict[str, ResourceKind[Any]] = {"user": USER, "group": GROUP, "role": ROLE}
_AWS_MANAGED = "arn:aws:iam::aws:policy/"


@dataclass(frozen=True)
class Subject:
    """Whose request is simulated, and with which policies."""

    principal: Principal
    policies: Policies
    own: Caller | None = None  # whose facts the request has
    source: str = ""  # the identifier of a policy written into it begins with this: "role_NAME_"


@operation(
    "iam",
    "SimulatePrincipalPolicy",
    on("{PolicySourceArn}"),
    refused=("PolicyExclusionList",),
    ignored=("ResourceHandlingOption",),  # of instances, which do not exist here
)
def simulate_principal_policy(context: Context, caller: Caller, request: Request) -> Answer:
    """Policies of the request count as if they were attached to the principal as well."""
    found = _subject_of(context, request["PolicySourceArn"])
    added = _policies(request, "PolicyInputList")
    boundary = _boundary(request) or found.policies.boundary
    policies = Policies((*found.policies.identity, *added), boundary, found.policies.session)
    principal = _caller_of(context, request) or found.principal
    return _results(context, Subject(principal, policies, found.own, found.source), request)


@operation(
    "iam",
    "SimulateCustomPolicy",
    on_any(),
    refused=("OrderedOrganizationPolicyInputList",),
    ignored=("ResourceHandlingOption",),
)
def simulate_custom_policy(context: Context, caller: Caller, request: Request) -> Answer:
    principal = _caller_of(context, request) or Principal(PrincipalKind.USER, context.account_id)
    subject = Subject(principal, Policies(_policies(request, "PolicyInputList"), _boundary(request)))
    return _results(context, subject, request)


@operation("iam", "GetContextKeysForCustomPolicy", on_any())
def get_context_keys_for_custom_policy(context: Context, caller: Caller, request: Request) -> Answer:
    return _keys(_policies(request, "PolicyInputList"))


@operation("iam", "GetContextKeysForPrincipalPolicy", on("{PolicySourceArn}"))
def get_context_keys_for_principal_policy(context: Context, caller: Caller, request: Request) -> Answer:
    found = _subject_of(context, request["PolicySourceArn"]).policies
    return _keys((*found.identity, *_policies(request, "PolicyInputList")))


def _keys(policies: Sequence[Policy]) -> Answer:
    return {"ContextKeyNames": list(context_keys(Policies(policies), ResourceAccess()))}


def _subject_of(context: Context, arn: str) -> Subject:
    """Return a user, group or role as the subject of a simulation. Raises AwsError and NotFoundError."""
    parts = arns.parse(arn)
    kind = _KINDS.get(parts.sort) if parts else None
    if parts is None or kind is None or parts.account_id != context.account_id:
        raise invalid(f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")
    found = resources.find(context, kind.in_account(context.account_id), parts.name)
    source = f"{parts.sort}_{found.name}_"
    if kind is GROUP:
        nobody = Principal(PrincipalKind.USER, context.account_id)
        return Subject(nobody, caller_policies.of_group(context, found.id), source=source)
    is_role = kind is ROLE
    own = Caller(
        context.account_id,
        kind=PrincipalKind.ROLE_SESSION if is_role else PrincipalKind.USER,
        name=found.name,
        path=found.path,
        unique_id=found.id,
        session="simulation" if is_role else "",
        is_temporary=is_role,
        issued_at=context.now(),
    )
    return Subject(own.principal, caller_policies.of(context, own), own, source)


def _caller_of(context: Context, request: Request) -> Principal | None:
    """Return the user whose request is simulated, if the request names one. Raises AwsError."""
    arn = request.get("CallerArn")
    if arn is None:
        return None
    if not arn.partition(":user/")[2]:
        raise invalid(f"CallerArn must be the ARN of a user: {arn}")
    return Principal(PrincipalKind.USER, account_of(arn), arn)


def _policies(request: Request, member: str) -> tuple[Policy, ...]:
    """Return the policies in a member of the request, named by it and their numbers. Raises AwsError."""
    texts = request.get(member, [])
    return tuple(_parse(text, documents.IDENTITY, f"{member}.{number}") for number, text in enumerate(texts, 1))


def _parse(text: str, elements: Elements, name: str) -> Policy:
    try:
        return documents.parse(text, elements, name)
    except PolicyError as error:
        raise invalid(f"{name}: {error}") from error


def _boundary(request: Request) -> Policy | None:
    found = _policies(request, "PermissionsBoundaryPolicyInputList")
    if len(found) > 1:
        raise invalid("PermissionsBoundaryPolicyInputList takes one policy.")
    return found[0] if found else None


def _resource_access(request: Request) -> ResourceAccess:
    text = request.get("ResourcePolicy")
    return ResourceAccess(None if text is None else _parse(text, documents.RESOURCE, "ResourcePolicy"))


def _facts(context: Context, request: Request, subject: Subject) -> Facts:
    """Return the values of condition keys: those of the request, and what is known of the principal and the time."""
    entries: dict[str, Values] = {}
    for entry in request.get("ContextEntries", []):
        if name := entry.get("ContextKeyName"):
            entries[name.lower()] = _values(name, entry.get("ContextKeyType", "stringList"), entry)
    if subject.own is None:
        return {**caller_facts.times(context), **entries}
    return caller_facts.of(context, subject.own, entries)


def _values(name: str, type_: str, entry: Mapping[str, Any]) -> Values:
    """Return the values of an entry of the context, which are of the type that it gives. Raises AwsError."""
    values = tuple(entry.get("ContextKeyValues", ()))
    kind = type_.removesuffix("List")
    try:
        for value in values:
            _CHECKS[kind](value)
    except ValueError as error:
        raise invalid(f"The value of {name} is no {kind}: {error}") from error
    if kind == type_ and len(values) > 1:
        raise invalid(f"{name} has several values, and the type {type_}.")
    return values


def _results(context: Context, subject: Subject, request: Request) -> Answer:
    """Return a page of results, one for each action; AWS gives those of several resources within it."""
    arns = request.get("ResourceArns") or ["*"]
    if len(request["ActionNames"]) * len(arns) > MAX_EVALUATIONS:
        raise invalid(f"A simulation is of at most {MAX_EVALUATIONS} actions and resources.")
    facts, access = _facts(context, request, subject), _resource_access(request)
    given_owner = request.get("ResourceOwner", "")
    owner = account_of(given_owner) or given_owner
    limit = request.get("MaxItems", DEFAULT_PAGE_SIZE)
    actions, marker = page_of(request["ActionNames"], request.get("Marker"), limit)

    def result(action: str) -> Mapping[str, Any]:
        found: dict[str, Simulation] = {}
        for arn in arns:
            account = owner or account_of(arn) or context.account_id
            asked = AccessRequest(subject.principal, action, arn, account, facts)
            found[arn] = simulate(asked, subject.policies, access)
        return _result(subject, action, found)

    return {
        "EvaluationResults": [result(action) for action in actions],
        "IsTruncated": marker is not None,
        "Marker": marker,
    }


def _result(subject: Subject, action: str, found: Mapping[str, Simulation]) -> Mapping[str, Any]:
    """Return the result of one action: the strictest decision on any of the resources, and each of them."""
    order = (EXPLICIT_DENY, IMPLICIT_DENY, ALLOWED)
    strictest = min(found.values(), key=lambda one: order.index(_decision(one)))
    answer = {
        "EvalActionName": action,
        "EvalResourceName": next(iter(found)) if len(found) == 1 else "*",
        "EvalDecision": _decision(strictest),
        **_explanation(subject, strictest),
    }
    if list(found) == ["*"]:
        return answer
    each = [
        {"EvalResourceName": arn, "EvalResourceDecision": _decision(one), **_explanation(subject, one)}
        for arn, one in found.items()
    ]
    return {**answer, "EvalDecisionDetails": {}, "ResourceSpecificResults": each}


def _decision(found: Simulation) -> str:
    if found.decision.allowed:
        return ALLOWED
    return EXPLICIT_DENY if found.decision.is_explicit else IMPLICIT_DENY


def _explanation(subject: Subject, found: Simulation) -> Mapping[str, Any]:
    explanation: dict[str, Any] = {
        "MatchedStatements": list(_statements(subject, found.matched)),
        "MissingContextValues": list(found.missing_keys),
    }
    if found.is_within_boundary is not None:
        explanation["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": found.is_within_boundary}
    return explanation


def _statements(subject: Subject, matched: Iterable[tuple[Policy, Statement]]) -> Iterable[Mapping[str, Any]]:
    for policy, statement in matched:
        span = Positions(policy.text).of_statement(policy.statements.index(statement))
        identifier, sort = _source(subject, policy.name)
        yield {
            "SourcePolicyId": identifier,
            "SourcePolicyType": sort,
            "StartPosition": _position(span.start),
            "EndPosition": _position(span.end),
        }


def _source(subject: Subject, name: str) -> tuple[str, str]:
    """Return the identifier and the type of a policy by its name, as AWS gives them."""
    if name == "ResourcePolicy":
        return name, "resource"
    if name.partition(".")[0] in ("PolicyInputList", "PermissionsBoundaryPolicyInputList"):
        return name, "none"
    if name.startswith("arn:"):
        return name.rpartition("/")[2], "aws-managed" if name.startswith(_AWS_MANAGED) else "user-managed"
    return f"{subject.source}{name}", subject.source.partition("_")[0]


def _position(found: Position) -> Mapping[str, int]:
    return {"Line": found.line, "Column": found.column + 1}
