"""Managed policies: documents with versions that can be attached to several users, groups and roles.

Those of AWS are data of the package (catalog/managed_policies); everyone may attach them and nobody changes them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from lowcloud.catalog import managed_policies as catalog
from lowcloud.core.context import Context
from lowcloud.core.errors import InUseError, LimitExceededError, NotFoundError
from lowcloud.core.identity import arns, entities
from lowcloud.core.identity.arns import AWS_ACCOUNT
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.store.db.tables.identity import (
    managed_policies,
    managed_policy_versions,
    policy_attachments,
    roles,
    users,
)

POLICIES_LIMIT = 1500
VERSIONS_LIMIT = 5
CHARACTERS_LIMIT = 6144  # of a document, without white space

MANAGED_POLICY = ResourceKind(
    "policy",
    "policy",
    managed_policies,
    lambda row: ManagedPolicy(**row._mapping),
    ignores_case=True,
    has_tags=False,
)


@dataclass(frozen=True)
class ManagedPolicy:
    """One managed policy; times are seconds since the epoch."""

    account: str  # AWS_ACCOUNT for those of AWS
    name: str
    id: str
    path: str
    created_at: float
    description: str
    default_version: int
    newest_version: int
    modified_at: float

    @property
    def arn(self) -> str:
        """Its ARN, by which it is attached."""
        return arns.of(self.account, "policy", self.path, self.name)


@dataclass(frozen=True)
class Version:
    """One version of a managed policy; `created_at` is in seconds since the epoch."""

    number: int
    document: str
    created_at: float
    is_default: bool


@dataclass(frozen=True)
class Usage:
    """How many users, groups and roles of an account a policy is attached to, and how many it limits."""

    attachments: int = 0
    boundaries: int = 0


def create(
    context: Context,
    name: str,
    document: str,
    path: str = "/",
    description: str = "",
    tags: Mapping[str, str] | None = None,
) -> ManagedPolicy:
    """Create a policy with its first version. Raises AlreadyExistsError and LimitExceededError."""
    _check_size(document)
    row: dict[str, Any] = {
        "name": name,
        "path": path,
        "description": description,
        "default_version": 1,
        "newest_version": 1,
        "modified_at": float(int(context.now())),
        "tags": tags,
    }
    with entities.changing(context) as connection:
        policy = entities.insert_new(connection, context, MANAGED_POLICY, row, "ANPA", POLICIES_LIMIT)
        _insert_version(connection, policy, 1, document, policy.created_at)
    return policy


def find(context: Context, arn: str) -> ManagedPolicy:
    """Return the policy of an ARN. Raises NotFoundError."""
    with context.database.read() as connection:
        return require(connection, context.account_id, arn)


def require(connection: Connection, account_id: str, arn: str) -> ManagedPolicy:
    """Return a policy that an account may use, within a transaction. Raises NotFoundError."""
    parts = arns.parse(arn)
    if parts is None or parts.sort != "policy" or parts.account_id not in (account_id, AWS_ACCOUNT):
        raise NotFoundError("policy", arn)
    if parts.account_id == AWS_ACCOUNT:
        found = catalog.find(parts.name)
        policy = _of_aws(found) if found else None
    else:
        kind = MANAGED_POLICY.in_account(account_id)
        row = connection.execute(select(managed_policies).where(kind.is_named(parts.name))).one_or_none()
        policy = kind.load(row) if row else None
    if policy is None or policy.path != parts.path or policy.name != parts.name:
        raise NotFoundError("policy", arn)
    return policy


def require_document(connection: Connection, account_id: str, arn: str) -> str:
    """Return the document of the default version of a policy. Raises NotFoundError."""
    policy = require(connection, account_id, arn)
    if policy.account == AWS_ACCOUNT:
        return catalog.document(policy.name)
    return _version(connection, policy, policy.default_version).document


def list_all(context: Context, path_prefix: str = "/") -> list[ManagedPolicy]:
    """Return the policies of the account under a path, by name."""
    kind, rows = MANAGED_POLICY.in_account(context.account_id), managed_policies.c
    found = select(managed_policies).where(*kind.conditions, rows.path.startswith(path_prefix, autoescape=True))
    with context.database.read() as connection:
        return [kind.load(row) for row in connection.execute(found.order_by(rows.name))]


def list_aws(path_prefix: str = "/") -> list[ManagedPolicy]:
    """Return the policies of AWS under a path, by name."""
    return [_of_aws(found) for found in catalog.list_all() if found.path.startswith(path_prefix)]


def delete(context: Context, arn: str) -> None:
    """Delete a policy. Raises NotFoundError, and InUseError while it is attached or has further versions."""
    with entities.changing(context) as connection:
        policy = _require_own(connection, context, arn)
        usage = usage_of(connection, context.account_id).get(arn, Usage())
        if usage.attachments or usage.boundaries:
            raise InUseError("Cannot delete a policy attached to entities.")
        if len(_versions(connection, policy)) > 1:
            raise InUseError(
                "This policy has more than one version. Before you delete a policy, you must delete the "
                "policy's versions. The default version is deleted with the policy."
            )
        rows = managed_policy_versions.c
        connection.execute(managed_policy_versions.delete().where(rows.policy_id == policy.id))
        entities.delete(connection, MANAGED_POLICY, policy)


def add_version(context: Context, arn: str, document: str, becomes_default: bool) -> Version:
    """Add a version to a policy. Raises NotFoundError, and LimitExceededError if it has five."""
    _check_size(document)
    with entities.changing(context) as connection:
        policy = _require_own(connection, context, arn)
        if len(_versions(connection, policy)) >= VERSIONS_LIMIT:
            raise LimitExceededError(
                f"A managed policy can have up to {VERSIONS_LIMIT} versions. Before you create a new version, you must "
                "delete an existing version."
            )
        number, now = policy.newest_version + 1, float(int(context.now()))
        _insert_version(connection, policy, number, document, now)
        _save(connection, policy, {"newest_version": number, "modified_at": now})
        if becomes_default:
            _save(connection, policy, {"default_version": number})
    return Version(number, document, now, becomes_default)


def set_default_version(context: Context, arn: str, number: int) -> None:
    """Have the version of this number be the one that counts. Raises NotFoundError."""
    with entities.changing(context) as connection:
        policy = _require_own(connection, context, arn)
        _version(connection, policy, number)
        _save(connection, policy, {"default_version": number, "modified_at": float(int(context.now()))})


def delete_version(context: Context, arn: str, number: int) -> None:
    """Delete a version. Raises NotFoundError, and InUseError for the default version."""
    rows = managed_policy_versions.c
    with entities.changing(context) as connection:
        policy = _require_own(connection, context, arn)
        if _version(connection, policy, number).is_default:
            raise InUseError("Cannot delete the default version of a policy.")
        of_policy = (rows.policy_id == policy.id, rows.version == number)
        connection.execute(managed_policy_versions.delete().where(*of_policy))


def versions(context: Context, arn: str) -> Sequence[Version]:
    """Return the versions of a policy, the newest first. Raises NotFoundError."""
    with context.database.read() as connection:
        policy = require(connection, context.account_id, arn)
        return _versions(connection, policy)


def usage(context: Context) -> dict[str, Usage]:
    """Return the usage of every policy that the account uses, by ARN."""
    with context.database.read() as connection:
        return usage_of(connection, context.account_id)


def usage_of(connection: Connection, account_id: str) -> dict[str, Usage]:
    """Return the usage of every policy that an account uses, by ARN, within a transaction."""
    rows = policy_attachments.c
    attached = select(rows.policy, func.count()).where(rows.account == account_id).group_by(rows.policy)
    attachments = {row.policy: row[1] for row in connection.execute(attached)}
    boundaries: dict[str, int] = {}
    for table in (users, roles):
        column = table.c.boundary
        limited = select(column, func.count()).where(table.c.account == account_id, column.is_not(None))
        for policy, count in connection.execute(limited.group_by(column)):
            boundaries[policy] = boundaries.get(policy, 0) + count
    arns_in_use = attachments.keys() | boundaries.keys()
    return {arn: Usage(attachments.get(arn, 0), boundaries.get(arn, 0)) for arn in arns_in_use}


def require_own(context: Context, arn: str) -> ManagedPolicy:
    """Return a policy of the account itself. Raises NotFoundError, also for those of AWS."""
    with context.database.read() as connection:
        return _require_own(connection, context, arn)


def _of_aws(found: catalog.AwsPolicy) -> ManagedPolicy:
    return ManagedPolicy(
        AWS_ACCOUNT,
        found.name,
        found.id,
        found.path,
        found.created_at,
        found.description,
        found.version,
        found.version,
        found.modified_at,
    )


def _require_own(connection: Connection, context: Context, arn: str) -> ManagedPolicy:
    policy = require(connection, context.account_id, arn)
    if policy.account == AWS_ACCOUNT:
        raise NotFoundError("policy", arn)
    return policy


def _versions(connection: Connection, policy: ManagedPolicy) -> Sequence[Version]:
    if policy.account == AWS_ACCOUNT:
        return [Version(policy.default_version, catalog.document(policy.name), policy.modified_at, True)]
    rows = managed_policy_versions.c
    found = select(managed_policy_versions).where(rows.policy_id == policy.id).order_by(rows.version.desc())
    return [
        Version(row.version, row.document, row.created_at, row.version == policy.default_version)
        for row in connection.execute(found)
    ]


def _version(connection: Connection, policy: ManagedPolicy, number: int) -> Version:
    for version in _versions(connection, policy):
        if version.number == number:
            return version
    raise NotFoundError("policy version", f"v{number}")


def _insert_version(
    connection: Connection, policy: ManagedPolicy, number: int, document: str, created_at: float
) -> None:
    row = {"account": policy.account, "policy_id": policy.id, "version": number, "document": document}
    connection.execute(insert(managed_policy_versions).values(created_at=created_at, **row))


def _save(connection: Connection, policy: ManagedPolicy, values: Mapping[str, Any]) -> None:
    connection.execute(update(managed_policies).where(managed_policies.c.id == policy.id).values(**values))


def _check_size(document: str) -> None:
    if len("".join(document.split())) > CHARACTERS_LIMIT:
        raise LimitExceededError(f"Cannot exceed quota for PolicySize: {CHARACTERS_LIMIT}")
