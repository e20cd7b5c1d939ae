"""Callers and their credentials, and whether they may do what they request: every request passes `authorise`."""

import json
import secrets
from dataclasses import asdict, dataclass, replace

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import CloudError, ForbiddenError, NotFoundError
from lowcloud.core.identity.identifiers import new_identifier
from lowcloud.core.identity.roles import ROLE
from lowcloud.core.storage.access import public_access
from lowcloud.store.blobs.encryption import TamperedError


@dataclass(frozen=True)
class Caller:
    """The principal of a request: the root of the account, an assumed role, or an anonymous caller."""

    account_id: str
    access_key_id: str
    role: str | None = None  # None: root
    session: str | None = None
    role_id: str | None = None  # a role may be deleted, and another one created under its name

    @property
    def is_anonymous(self) -> bool:
        """Whether the request carries no credentials."""
        return not self.account_id


ANONYMOUS = Caller(account_id="", access_key_id="")


@dataclass(frozen=True)
class Credentials:
    """Keys that sign requests; temporary ones have a session token and expire."""

    access_key_id: str
    secret_access_key: str
    caller: Caller
    session_token: str | None = None
    expires_at: float | None = None


class UnknownKeyError(CloudError):
    """There is no such access key, or the session token was not issued with it."""


class TokenExpiredError(CloudError):
    """The temporary credentials have expired."""


def issue_session(context: Context, caller: Caller, duration_seconds: int) -> Credentials:
    """Issue temporary credentials for `caller`. Raises NotFoundError for its role.

    The token is the encrypted credentials themselves, so that any server of this home can check them without a table.
    """
    key_id = new_identifier("ASIA", 16)
    role_id = resources.find(context, ROLE, caller.role).role_id if caller.role else None
    session = Credentials(
        access_key_id=key_id,
        secret_access_key=secrets.token_urlsafe(30),
        caller=replace(caller, access_key_id=key_id, role_id=role_id),
        expires_at=float(int(context.now() + duration_seconds)),
    )
    sealed = context.keys.seal(json.dumps(asdict(session)).encode(), "session token")
    return replace(session, session_token=sealed.hex())


def find_credentials(context: Context, access_key_id: str, session_token: str | None) -> Credentials:
    """Return the credentials of an access key id. Raises UnknownKeyError and TokenExpiredError."""
    root = context.settings.root_key
    if session_token is None:
        if access_key_id != root.access_key_id:
            raise UnknownKeyError(f"No access key {access_key_id!r} exists here.")
        return Credentials(
            root.access_key_id, root.secret_access_key, Caller(context.settings.account_id, access_key_id)
        )
    session = _open_token(context, session_token)
    if session.access_key_id != access_key_id:
        raise UnknownKeyError("The session token belongs to another access key.")
    if session.expires_at is not None and session.expires_at <= context.now():
        raise TokenExpiredError("The session token has expired.")
    if session.caller.role is not None and not _has_role(context, session.caller.role, session.caller.role_id):
        raise UnknownKeyError(f"The role {session.caller.role!r} of these credentials has been deleted.")
    return session


def _has_role(context: Context, name: str, role_id: str | None) -> bool:
    """Return whether a role still exists; the sessions of version 0.1.0 do not have its id."""

    def find() -> str | None:
        try:
            return resources.find(context, ROLE, name).role_id
        except NotFoundError:
            return None

    found = context.cache.get(("role", name), find)
    return found is not None and role_id in (None, found)


def authorise(
    context: Context, caller: Caller, action: str, resource: str, grant: tuple[str, str] | None = None
) -> None:
    """Refuse what the caller may not do. Raises ForbiddenError.

    A caller of this account may do everything for now, an anonymous one what the bucket allows everyone; for `grant`
    see public_access.admits.
    """
    if caller.is_anonymous:
        if not public_access.allows_everyone(context, action, resource, grant):
            raise ForbiddenError(f"Anonymous callers may not perform {action} on {resource}.")
    elif caller.account_id != context.settings.account_id:
        raise ForbiddenError(f"{caller.account_id} may not perform {action} on {resource}: it is another account.")


def _open_token(context: Context, session_token: str) -> Credentials:
    try:
        stored = json.loads(context.keys.unseal(bytes.fromhex(session_token), "session token"))
    except (TamperedError, ValueError) as error:
        raise UnknownKeyError("The session token is not one of this cloud.") from error
    return Credentials(**{**stored, "caller": Caller(**stored["caller"]), "session_token": session_token})
