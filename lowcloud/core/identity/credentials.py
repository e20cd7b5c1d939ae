"""Credentials: the access keys that sign requests, and whose they are."""

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import CloudError, NotFoundError
from lowcloud.core.identity import sessions
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.roles import ROLE
from lowcloud.core.identity.sessions import Credentials


class UnknownKeyError(CloudError):
    """There is no such access key, or the session token was not issued with it."""


class TokenExpiredError(CloudError):
    """The temporary credentials have expired."""


def find(context: Context, access_key_id: str, session_token: str | None) -> Credentials:
    """Return the credentials of an access key id. Raises UnknownKeyError and TokenExpiredError."""
    root = context.settings.root_key
    if session_token is None:
        if access_key_id != root.access_key_id:
            raise UnknownKeyError(f"No access key {access_key_id!r} exists here.")
        return Credentials(
            root.access_key_id, root.secret_access_key, Caller(context.settings.account_id, access_key_id)
        )
    try:
        session = sessions.open_token(context, session_token)
    except ValueError as error:
        raise UnknownKeyError(str(error)) from error
    if session.access_key_id != access_key_id:
        raise UnknownKeyError("The session token belongs to another access key.")
    if session.expires_at is not None and session.expires_at <= context.now():
        raise TokenExpiredError("The session token has expired.")
    if session.caller.role is not None and not _has_role(context, session.caller):
        raise UnknownKeyError(f"The role {session.caller.role!r} of these credentials has been deleted.")
    return session


def _has_role(context: Context, caller: Caller) -> bool:
    """Return whether the role of a session still exists; the sessions of version 0.1.0 do not have its id."""

    def find_role() -> str | None:
        try:
            return resources.find(context, ROLE, caller.name).role_id
        except NotFoundError:
            return None

    found = context.access.get(("role", caller.name), find_role)
    return found is not None and caller.unique_id in ("", found)
