"""Callers: who made a request, as its credentials prove."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from lowcloud.core.policies.requests import Principal, PrincipalKind


@dataclass(frozen=True)
class Caller:
    """The principal of a request, and what its credentials say about it."""

    account_id: str
    access_key_id: str = ""
    kind: PrincipalKind = PrincipalKind.ROOT
    name: str = ""  # of the user, role, federated user or service
    path: str = "/"  # of the user or role
    # Of the user or role: another one created later under its name has another id. Of a federated user: that of the
    # user who vouched for it, "" for the root.
    unique_id: str = ""
    session: str = ""  # the name of a role session
    is_temporary: bool = False  # the credentials are those of a session
    # The session policies: JSON texts, and ARNs of managed ones. None: the session is not limited.
    policies: tuple[str, ...] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)  # session tags
    transitive_tags: tuple[str, ...] = ()  # keys of tags that roles assumed from this session have, too
    source_identity: str = ""
    provider: str = ""  # the ARN of the provider that proved who has assumed the role
    subject: str = ""  # who that is, to the provider
    issuing_key: str = ""  # the access key that a session was requested with, and ends with
    issued_at: float = 0.0  # of temporary credentials

    @property
    def is_anonymous(self) -> bool:
        """Whether the request carries no credentials."""
        return self.kind is PrincipalKind.ANONYMOUS

    @property
    def is_root(self) -> bool:
        """Whether the caller is the root of its account."""
        return self.kind is PrincipalKind.ROOT

    @property
    def role(self) -> str | None:
        """The name of the role that the caller has assumed."""
        return self.name if self.kind is PrincipalKind.ROLE_SESSION else None

    @cached_property
    def arn(self) -> str:
        """The ARN of the caller, as GetCallerIdentity and messages give it."""
        if self.kind is PrincipalKind.USER:
            return f"arn:aws:iam::{self.account_id}:user{self.path}{self.name}"
        if self.kind is PrincipalKind.ROLE_SESSION:
            return f"arn:aws:sts::{self.account_id}:assumed-role/{self.name}/{self.session}"
        if self.kind is PrincipalKind.FEDERATED_USER:
            return f"arn:aws:sts::{self.account_id}:federated-user/{self.name}"
        if self.kind is PrincipalKind.SERVICE:
            return self.name
        return "anonymous" if self.is_anonymous else f"arn:aws:iam::{self.account_id}:root"

    @property
    def role_arn(self) -> str:
        """The ARN of the role that the caller has assumed, or ""."""
        return f"arn:aws:iam::{self.account_id}:role{self.path}{self.name}" if self.role is not None else ""

    @property
    def principal_id(self) -> str:
        """The value of aws:userid."""
        if self.kind is PrincipalKind.ROLE_SESSION:
            return f"{self.unique_id}:{self.session}"
        if self.kind is PrincipalKind.FEDERATED_USER:
            return f"{self.account_id}:{self.name}"
        return self.unique_id or self.account_id or "anonymous"

    @cached_property
    def principal(self) -> Principal:
        """The caller as policies see it."""
        return Principal(self.kind, self.account_id, self.arn, self.role_arn)


ANONYMOUS = Caller(account_id="", kind=PrincipalKind.ANONYMOUS)
