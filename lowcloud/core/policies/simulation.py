"""Simulated requests: what the evaluator decides, which statements decide it, and what it would have to know.

Source: IAM API Reference, SimulateCustomPolicy, EvaluationResult.
"""

from dataclasses import dataclass, replace

from lowcloud.core.policies.documents import Policy, Statement
from lowcloud.core.policies.evaluation import (
    Decision,
    Policies,
    PolicySort,
    ResourceAccess,
    evaluate,
    matching,
)
from lowcloud.core.policies.requests import AccessRequest


@dataclass(frozen=True)
class Simulation:
    """The result of one simulated request."""

    decision: Decision
    matched: tuple[tuple[Policy, Statement], ...]
    missing_keys: tuple[str, ...]  # condition keys that policies ask about and the request has no values of
    is_within_boundary: bool | None  # None: there is no boundary


def simulate(request: AccessRequest, policies: Policies, resource: ResourceAccess) -> Simulation:
    """Evaluate a request."""
    decision = evaluate(request, policies, resource)
    return Simulation(
        decision,
        tuple(matching(request, policies, resource, decision)),
        tuple(key for key in context_keys(policies, resource) if key.lower() not in request.facts),
        None if policies.boundary is None else _allows_alone(policies.boundary, request),
    )


def context_keys(policies: Policies, resource: ResourceAccess) -> tuple[str, ...]:
    """Return the condition keys that any of the policies asks about, each once."""
    written: dict[str, str] = {}
    own = [policy for sort in PolicySort for policy in policies.of_sort(sort) if sort is not PolicySort.RESOURCE]
    for policy in (*own, *resource.policies):
        for key in policy.context_keys:
            written.setdefault(key.lower(), key)
    return tuple(written.values())


def _allows_alone(policy: Policy, request: AccessRequest) -> bool:
    """Return whether a policy allows what a request does, were it the only one and the resource the principal's."""
    return evaluate(replace(request, resource_account=request.principal.account_id), Policies((policy,))).allowed
