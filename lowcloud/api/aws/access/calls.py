"""Calls: a parsed request on its way to be authorised, and the permissions it needs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lowcloud.core.context import Context
from lowcloud.core.identity.access import AccessDeniedError, Permission
from lowcloud.core.identity.callers import Caller
from lowcloud.core.policies.requests import Facts

# The prefix of a service's actions, where it is not the name that botocore has for the service.
ACTION_PREFIXES = {
    "accessanalyzer": "access-analyzer",
    "sagemaker-runtime": "sagemaker",
    "sagemaker-metrics": "sagemaker",
}


@dataclass(frozen=True)
class Call:
    """One request: who makes it, which operation it is, its parsed input, and the facts of its transport."""

    context: Context
    caller: Caller
    service: str  # as in the names of actions: "sagemaker"
    operation: str
    request: Mapping[str, Any]
    facts: Facts
    refused: list[AccessDeniedError] = field(default_factory=list)  # of parts that the operation leaves out

    @property
    def action(self) -> str:
        """The action of the operation's own name."""
        return f"{self.service}:{self.operation}"


# What an operation declares: the permissions that one call of it needs, all of them.
Access = Callable[[Call], Iterable[Permission]]
