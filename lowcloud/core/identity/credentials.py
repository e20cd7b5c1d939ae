"""Credentials: the access keys that sign requests, and whose they are.

A key or session ends at once when the key, user or role behind it does: in other processes of this cloud, half a second
later.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeVar

from sqlalchemy import select

from lowcloud.core.context import Context, NotCachedError
from lowcloud.core.errors import CloudError
from lowcloud.core.identity import access_keys, sessions
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.roles import ROLE, Role
from lowcloud.core.identity.sessions import Credentials
from lowcloud.core.identity.users import USER, User
from lowcloud.core.policies.requests import PrincipalKind
from lowcloud.home import settings

T = TypeVar("T")


class UnknownKeyError(CloudError):
    """There is no such access key, or the session token was not issued with it."""


class TokenExpiredError(CloudError):
    """The temporary credentials have expired."""


class _Look(Protocol):
    """How to look something up: in the cache and then the database, or in the cache alone."""

    def __call__(self, key: object, read: Callable[[], T], /) -> T: ...


def find(context: Context, access_key_id: str, session_token: str | None) -> Credentials:
    """Return the credentials of an access key id. Raises UnknownKeyError and TokenExpiredError."""
    return _find(context, access_key_id, session_token, context.access.get)


def find_known(context: Context, access_key_id: str, session_token: str | None) -> Credentials | None:
    """Return what `find` does if it needs no database, otherwise None. Never blocks; raises as `find` does."""
    try:
        return _find(context, access_key_id, session_token, context.access.known)
    except NotCachedError:
        return None


def _find(context: Context, access_key_id: str, session_token: str | None, look: _Look) -> Credentials:
    if session_token is None:
        return _lasting(context, access_key_id, look)
    try:
        session = sessions.open_token(context, session_token)
    except ValueError as error:
        raise UnknownKeyError(str(error)) from error
    if session.access_key_id != access_key_id:
        raise UnknownKeyError("The session token belongs to another access key.")
    if session.expires_at is not None and session.expires_at <= context.now():
        raise TokenExpiredError("The session token has expired.")
    return _of_existing(context, session, look)


def _lasting(context: Context, access_key_id: str, look: _Look) -> Credentials:
    root = of_root(context)
    if access_key_id == root.access_key_id:
        return root
    found = _active_key(context, access_key_id, look)
    if found is None:
        raise UnknownKeyError(f"No active access key {access_key_id!r} exists here.")
    return found


def of_root(context: Context) -> Credentials:
    """Return the root's key. It is in a small file, not in the database."""

    def read() -> Credentials:
        root = settings.current_root_key(context.settings)
        caller = Caller(context.settings.account_id, root.access_key_id)
        return Credentials(root.access_key_id, root.secret_access_key, caller)

    return context.access.get("root key", read)


def _of_existing(context: Context, session: Credentials, look: _Look) -> Credentials:
    """Return a session if its principal still exists, under the name that it has now. Raises UnknownKeyError."""
    caller = session.caller
    if caller.issuing_key and not _is_active(context, caller.issuing_key, look):
        raise UnknownKeyError("The access key that these credentials were requested with is not active any more.")
    if caller.kind is PrincipalKind.ROLE_SESSION:
        if _role(context, caller, look) is None:
            raise UnknownKeyError(f"The role {caller.name!r} of these credentials has been deleted.")
    elif caller.unique_id:
        user = _user(context, caller.unique_id, look)
        if user is None:
            raise UnknownKeyError("The user of these credentials has been deleted.")
        if caller.kind is PrincipalKind.USER and (user.name, user.path) != (caller.name, caller.path):
            return replace(session, caller=replace(caller, name=user.name, path=user.path))
    return session


def _is_active(context: Context, key_id: str, look: _Look) -> bool:
    return key_id == of_root(context).access_key_id or _active_key(context, key_id, look) is not None


def _active_key(context: Context, key_id: str, look: _Look) -> Credentials | None:
    def read() -> Credentials | None:
        key = access_keys.find_active(context, key_id)
        if key is None:
            return None
        user = key.user
        caller = Caller(user.account, key.id, PrincipalKind.USER, user.name, user.path, user.id)
        return Credentials(key.id, key.secret, caller)

    return look(("access key", key_id), read)


def _user(context: Context, user_id: str, look: _Look) -> User | None:
    def read() -> User | None:
        with context.database.read() as connection:
            row = connection.execute(select(USER.table).where(USER.table.c.id == user_id)).one_or_none()
        return USER.load(row) if row else None

    return look(("user", user_id), read)


def _role(context: Context, caller: Caller, look: _Look) -> Role | None:
    """Return the role of a session; the sessions of version 0.1.0 do not have its id."""

    def read() -> Role | None:
        own = ROLE.in_account(caller.account_id)
        with context.database.read() as connection:
            row = connection.execute(select(own.table).where(own.is_named(caller.name))).one_or_none()
        return own.load(row) if row else None

    role = look(("role", caller.account_id, caller.name), read)
    return role if role is not None and caller.unique_id in ("", role.id) else None
