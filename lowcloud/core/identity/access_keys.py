"""Access keys of users: two at most, whose secrets are stored encrypted and shown once."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from lowcloud.core.context import Context
from lowcloud.core.errors import LimitExceededError, NotFoundError
from lowcloud.core.identity import entities
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.identifiers import new_identifier
from lowcloud.core.identity.users import USER, User
from lowcloud.core.policies.requests import PrincipalKind
from lowcloud.store.db.tables.identity import access_keys, roles, users

KEYS_LIMIT = 2
SECRET_BYTES = 30  # 40 characters
USE_SECONDS = 60.0  # between two records of the use of a key
SECRETS_KEPT = USES_KEPT = 4096  # in the memory of a process
_PURPOSE = "access key"

_SHOWN = [column for column in access_keys.c if column.name != "secret"]


@dataclass(frozen=True)
class AccessKey:
    """An access key without its secret; times are seconds since the epoch."""

    id: str
    account: str
    user_id: str
    is_active: bool
    created_at: float
    last_used_at: float | None = None  # None: never
    last_used_service: str | None = None
    last_used_region: str | None = None


@dataclass(frozen=True)
class SigningKey:
    """An active key with its secret and its user."""

    id: str
    secret: str
    user: User


class _Secrets:
    """The secrets that this process has decrypted, by key id, with what they were decrypted from."""

    def __init__(self) -> None:
        self._opened: dict[str, tuple[bytes, str]] = {}

    def open(self, context: Context, key_id: str, sealed: bytes) -> str:
        """Return the secret of a key, which is decrypted once."""
        found = self._opened.get(key_id)
        if found is None or found[0] != sealed:
            if len(self._opened) >= SECRETS_KEPT:
                self._opened.clear()
            found = self._opened[key_id] = sealed, context.keys.unseal(sealed, _PURPOSE, key_id).decode()
        return found[1]


class _Uses:
    """When this process last recorded a use, by the id of a key or role."""

    def __init__(self) -> None:
        self._recorded: dict[str, float] = {}

    def is_due(self, used: str, now: float) -> bool:
        """Return whether a use is to be recorded, and that it is."""
        if now - self._recorded.get(used, 0.0) < USE_SECONDS:
            return False
        if len(self._recorded) >= USES_KEPT:
            self._recorded.clear()
        self._recorded[used] = now
        return True


def create(context: Context, user_name: str) -> tuple[AccessKey, str]:
    """Create a key of a user, and return it with its secret. Raises NotFoundError and LimitExceededError."""
    key_id, secret = new_identifier("AKIA", 16), secrets.token_urlsafe(SECRET_BYTES)
    with entities.changing(context) as connection:
        user = entities.require(connection, context, USER, user_name)
        if len(_of_user(connection, user)) >= KEYS_LIMIT:
            raise LimitExceededError(f"Cannot exceed quota for AccessKeysPerUser: {KEYS_LIMIT}")
        key = AccessKey(key_id, user.account, user.id, True, float(int(context.now())))
        sealed = context.keys.seal(secret.encode(), _PURPOSE, key_id)
        connection.execute(insert(access_keys).values(secret=sealed, **vars(key)))
    return key, secret


def of_user(context: Context, user_name: str) -> Sequence[AccessKey]:
    """Return the keys of a user, the oldest first. Raises NotFoundError."""
    with context.database.read() as connection:
        return _of_user(connection, entities.require(connection, context, USER, user_name))


def activate(context: Context, user_name: str, key_id: str, is_active: bool) -> None:
    """Let a key of a user sign requests, or not. Raises NotFoundError."""
    with entities.changing(context) as connection:
        key = _require(connection, entities.require(connection, context, USER, user_name), key_id)
        connection.execute(update(access_keys).where(access_keys.c.id == key.id).values(is_active=is_active))


def delete(context: Context, user_name: str, key_id: str) -> None:
    """Delete a key of a user. Raises NotFoundError."""
    with entities.changing(context) as connection:
        key = _require(connection, entities.require(connection, context, USER, user_name), key_id)
        connection.execute(access_keys.delete().where(access_keys.c.id == key.id))


def find_with_user(context: Context, key_id: str) -> tuple[AccessKey, str]:
    """Return a key of the account, and the name of its user. Raises NotFoundError."""
    rows = access_keys.c
    found = select(*_SHOWN, users.c.name).join(users, users.c.id == rows.user_id)
    with context.database.read() as connection:
        row = connection.execute(found.where(rows.id == key_id, rows.account == context.account_id)).one_or_none()
    if row is None:
        raise NotFoundError("access key", key_id)
    return AccessKey(*row[:-1]), row[-1]


def account_of(context: Context, key_id: str) -> str | None:
    """Return the account that a key of a user belongs to, active or not."""
    with context.database.read() as connection:
        found = select(access_keys.c.account).where(access_keys.c.id == key_id)
        account: str | None = connection.execute(found).scalar_one_or_none()
        return account


def find_active(context: Context, key_id: str) -> SigningKey | None:
    """Return an active key with its secret, of whichever account, or None."""
    rows = access_keys.c
    found = select(rows.secret, users).join(users, users.c.id == rows.user_id)
    with context.database.read() as connection:
        row = connection.execute(found.where(rows.id == key_id, rows.is_active)).one_or_none()
    if row is None:
        return None
    secret = context.memory.get(_Secrets).open(context, key_id, row.secret)
    return SigningKey(key_id, secret, User(*row[1:]))


def note_use(
    context: Context, caller: Caller, service: str, region: str, run: Callable[[Callable[[], None]], object]
) -> None:
    """Have the use of a caller's key or role recorded, at most once a minute; `run` does it in another thread."""
    if caller.kind is PrincipalKind.USER and not caller.is_temporary:
        used, table = caller.access_key_id, access_keys
        values = {"last_used_service": service}
    elif caller.kind is PrincipalKind.ROLE_SESSION and caller.unique_id:
        used, table, values = caller.unique_id, roles, {}
    else:
        return
    now = context.now()
    if context.memory.get(_Uses).is_due(used, now):
        change = update(table).where(table.c.id == used)
        change = change.values(last_used_at=float(int(now)), last_used_region=region, **values)

        def record() -> None:
            context.database.apply(lambda connection: connection.execute(change))

        run(record)


def _of_user(connection: Connection, user: User) -> Sequence[AccessKey]:
    found = select(*_SHOWN).where(access_keys.c.user_id == user.id).order_by(access_keys.c.created_at, access_keys.c.id)
    return [AccessKey(*row) for row in connection.execute(found)]


def _require(connection: Connection, user: User, key_id: str) -> AccessKey:
    for key in _of_user(connection, user):
        if key.id == key_id:
            return key
    raise NotFoundError("access key", key_id)
