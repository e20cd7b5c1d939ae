"""What a policy is evaluated for: a principal, an action, a resource, and the facts that conditions ask about."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from types import MappingProxyType

Values = tuple[str, ...]
Facts = Mapping[str, Values]  # by condition key in lower case: "aws:sourceip"; a key that is absent has no value
NO_FACTS: Facts = MappingProxyType({})


class PrincipalKind(Enum):
    """The kinds of principals, which resource-based policies and boundaries treat differently."""

    ROOT = "root"
    USER = "user"
    ROLE_SESSION = "role session"
    FEDERATED_USER = "federated user"
    SERVICE = "service"
    ANONYMOUS = "anonymous"


PrincipalName = tuple[str, str]  # as policies of resources write it: ("AWS", ARN), ("Service", name) ...


@dataclass(frozen=True)
class Principal:
    """Who makes a request. `arn` is that of the session for a session, and the name of a service for a service."""

    kind: PrincipalKind
    account_id: str = ""
    arn: str = ""
    role_arn: str = ""  # of a role session
    provider: str = ""  # that proved the identity of a federated user
    canonical_id: str = ""  # of the account, as the policies of buckets name it

    @cached_property
    def names(self) -> tuple[PrincipalName, ...]:
        """The names of this principal alone."""
        if self.kind is PrincipalKind.SERVICE:
            return (("Service", self.arn),)
        if self.kind in (PrincipalKind.ANONYMOUS, PrincipalKind.ROOT):  # the root is named by its account
            return ()
        return (("AWS", self.arn), ("Federated", self.provider)) if self.provider else (("AWS", self.arn),)

    @cached_property
    def account_names(self) -> tuple[PrincipalName, ...]:
        """The names of its account, which stand for all principals of the account."""
        if not self.account_id:
            return ()
        names = [("AWS", self.account_id), ("AWS", f"arn:aws:iam::{self.account_id}:root")]
        return (*names, ("CanonicalUser", self.canonical_id)) if self.canonical_id else tuple(names)


ANONYMOUS = Principal(PrincipalKind.ANONYMOUS, arn="*")


@dataclass(frozen=True)
class AccessRequest:
    """One question: may the principal perform `action` ("s3:GetObject") on `resource`, an ARN of an account?"""

    principal: Principal
    action: str
    resource: str
    resource_account: str
    facts: Facts = field(default_factory=dict)


class LazyFacts(Mapping[str, Values]):
    """Facts of which some are found out when a policy first asks for them."""

    def __init__(self, known: Facts, find: Callable[[str], Values | None], others: Facts = NO_FACTS):
        """`find` returns the values of a key that is not in `known`, or None: then `others` are asked."""
        self._found: dict[str, Values | None] = dict(known)
        self._find = find
        self._others = others

    def __getitem__(self, key: str) -> Values:
        if key not in self._found:
            found = self._find(key)
            self._found[key] = self._others.get(key) if found is None else found
        values = self._found[key]
        if values is None:
            raise KeyError(key)
        return values

    def __iter__(self) -> Iterator[str]:
        yield from (key for key, values in self._found.items() if values is not None)
        yield from (key for key in self._others if key not in self._found)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def combined(known: Facts, others: Facts) -> Facts:
    """Return facts with those of `others`, which may be lazy, that are not known otherwise."""
    return LazyFacts(known, lambda _: None, others)
