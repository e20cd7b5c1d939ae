"""Credentials: whose keys sign a request, looked up without the database while they are known."""

import pytest

from lowcloud.core.context import Context
from lowcloud.core.identity import access_keys, credentials, roles, sessions, users
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.credentials import UnknownKeyError
from lowcloud.core.policies.requests import PrincipalKind
from lowcloud.store.db.tables.identity import access_keys as rows
from tests.support.servers.endpoint import ACCOUNT, ROOT_KEY


def test_a_key_is_known_after_it_was_found_once_and_unknown_after_a_change(context: Context) -> None:
    users.create(context, "ada")
    key, secret = access_keys.create(context, "ada")
    assert credentials.find_known(context, key.id, None) is None
    found = credentials.find(context, key.id, None)
    assert (found.secret_access_key, found.caller.name, found.caller.kind) == (secret, "ada", PrincipalKind.USER)
    assert credentials.find_known(context, key.id, None) == found
    access_keys.activate(context, "ada", key.id, False)
    assert credentials.find_known(context, key.id, None) is None
    with pytest.raises(UnknownKeyError):
        credentials.find(context, key.id, None)


def test_the_root_is_always_known(context: Context) -> None:
    found = credentials.find_known(context, ROOT_KEY, None)
    assert found is not None
    assert found.caller.is_root


def test_a_secret_is_stored_encrypted_and_for_its_key_alone(context: Context) -> None:
    users.create(context, "ada")
    key, secret = access_keys.create(context, "ada")
    with context.database.read() as connection:
        sealed = connection.execute(rows.select()).one().secret
    assert secret.encode() not in sealed
    assert context.keys.unseal(sealed, "access key", key.id).decode() == secret


def test_sessions_of_a_user_end_with_the_key_and_with_the_user(context: Context) -> None:
    user = users.create(context, "ada")
    key, _ = access_keys.create(context, "ada")
    caller = Caller(ACCOUNT, key.id, PrincipalKind.USER, "ada", "/", user.id, issuing_key=key.id)
    of_key = sessions.issue(context, caller, 900)
    of_user = sessions.issue(context, Caller(ACCOUNT, "", PrincipalKind.USER, "ada", "/", user.id), 900)
    for session in (of_key, of_user):
        assert credentials.find(context, session.access_key_id, session.session_token).caller.name == "ada"
    access_keys.delete(context, "ada", key.id)
    with pytest.raises(UnknownKeyError, match="not active"):
        credentials.find(context, of_key.access_key_id, of_key.session_token)
    users.delete(context, "ada")
    users.create(context, "ada")
    with pytest.raises(UnknownKeyError, match="deleted"):
        credentials.find(context, of_user.access_key_id, of_user.session_token)


def test_a_use_is_recorded_once_a_minute(context: Context) -> None:
    users.create(context, "ada")
    key, _ = access_keys.create(context, "ada")
    caller = credentials.find(context, key.id, None).caller
    queued: list[object] = []
    for _ in range(3):
        access_keys.note_use(context, caller, "s3", "eu-west-1", queued.append)
    (record,) = queued
    assert access_keys.of_user(context, "ada")[0].last_used_at is None, "not on the request's path"
    assert callable(record)
    record()
    (found,) = access_keys.of_user(context, "ada")
    assert (found.last_used_service, found.last_used_region) == ("s3", "eu-west-1")
    role = roles.create(context, "role", "{}")
    access_keys.note_use(context, sessions.caller_of_role(role, "me"), "sts", "us-east-1", lambda record: record())
    assert roles.change(context, "role", {}).last_used_region == "us-east-1"
