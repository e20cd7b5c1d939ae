"""Sessions: temporary credentials of a role, a user or a federated user.

The token of a session is the encrypted credentials themselves, so that any server of this home can check them without a
table.
"""

import json
import secrets
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.identifiers import new_identifier
from lowcloud.core.identity.roles import ROLE, Role
from lowcloud.core.policies.requests import PrincipalKind
from lowcloud.store.blobs.encryption import TamperedError

TOKENS_KEPT = 4096  # in the memory of a process
_PURPOSE = "session token"
_MARK = "LC."  # of a token that is compressed, for clients send it with every request


@dataclass(frozen=True)
class Credentials:
    """Keys that sign requests; temporary ones have a session token and expire."""

    access_key_id: str
    secret_access_key: str
    caller: Caller
    session_token: str | None = None
    expires_at: float | None = None


class _Tokens:
    """The session tokens that this process has opened."""

    def __init__(self) -> None:
        self._opened: dict[str, Credentials] = {}

    def get(self, token: str) -> Credentials | None:
        return self._opened.get(token)

    def put(self, token: str, credentials: Credentials) -> None:
        if len(self._opened) >= TOKENS_KEPT:
            self._opened.clear()
        self._opened[token] = credentials


def issue(context: Context, caller: Caller, duration_seconds: int) -> Credentials:
    """Issue temporary credentials for `caller`."""
    key_id = new_identifier("ASIA", 16)
    now = context.now()
    session = Credentials(
        access_key_id=key_id,
        secret_access_key=secrets.token_urlsafe(30),
        caller=replace(caller, access_key_id=key_id, is_temporary=True, issued_at=now),
        expires_at=float(int(now + duration_seconds)),
    )
    stored = {**asdict(session), "caller": {**asdict(session.caller), "kind": caller.kind.value}}
    sealed = context.keys.seal(zlib.compress(json.dumps(stored).encode()), _PURPOSE)
    return replace(session, session_token=_MARK + urlsafe_b64encode(sealed).decode())


def issue_for_role(context: Context, role: str, session: str, duration_seconds: int) -> Credentials:
    """Issue temporary credentials of a role, for a program that the cloud runs. Raises NotFoundError."""
    return issue(context, caller_of_role(resources.find(context, ROLE, role), session), duration_seconds)


def caller_of_role(role: Role, session: str) -> Caller:
    """Return the caller that a session of a role is."""
    return Caller(
        role.account,
        kind=PrincipalKind.ROLE_SESSION,
        name=role.name,
        path=role.path,
        unique_id=role.id,
        session=session,
    )


def open_token(context: Context, session_token: str) -> Credentials:
    """Return the credentials in a session token. Raises ValueError for a text that is none of this cloud."""
    known = context.memory.get(_Tokens)
    opened = known.get(session_token)
    if opened is None:
        opened = _open(context, session_token)
        known.put(session_token, opened)
    return opened


def _open(context: Context, session_token: str) -> Credentials:
    try:
        stored = json.loads(_unseal(context, session_token))
    except (TamperedError, ValueError) as error:
        raise ValueError("The session token is not one of this cloud.") from error
    return Credentials(**{**stored, "caller": _load_caller(stored["caller"]), "session_token": session_token})


def _unseal(context: Context, session_token: str) -> bytes:
    """Return what is in a token: compressed, or in hexadecimal as versions before 0.2 have issued it."""
    if not session_token.startswith(_MARK):
        return context.keys.unseal(bytes.fromhex(session_token), _PURPOSE)
    return zlib.decompress(context.keys.unseal(urlsafe_b64decode(session_token.removeprefix(_MARK)), _PURPOSE))


def _load_caller(stored: Mapping[str, Any]) -> Caller:
    if "kind" not in stored:  # issued by a version before 0.2, and a long job may still use it
        role = stored["role"]
        kind = PrincipalKind.ROOT if role is None else PrincipalKind.ROLE_SESSION
        return Caller(
            stored["account_id"],
            stored["access_key_id"],
            kind,
            name=role or "",
            unique_id=stored.get("role_id") or "",
            session=stored["session"] or "",
            is_temporary=True,
        )
    policies = stored["policies"]
    return Caller(
        **{
            **stored,
            "kind": PrincipalKind(stored["kind"]),
            "policies": None if policies is None else tuple(policies),
            "transitive_tags": tuple(stored["transitive_tags"]),
        }
    )
