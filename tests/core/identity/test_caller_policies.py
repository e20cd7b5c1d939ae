"""The policies of a caller: written, attached, of groups, boundaries and sessions, as they are now."""

import json
from dataclasses import replace

import pytest

from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.core.identity import (
    access,
    caller_policies,
    groups,
    managed_policies,
    permissions,
    roles,
    sessions,
    users,
)
from lowcloud.core.identity.access import Permission
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.groups import GROUP
from lowcloud.core.identity.roles import ROLE
from lowcloud.core.identity.users import USER, User
from lowcloud.core.policies.evaluation import PolicySort
from lowcloud.core.policies.requests import PrincipalKind
from tests.support.servers.endpoint import ACCOUNT

READ_ONLY = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
TRUST = '{"Version": "2012-10-17", "Statement": []}'


def allowing(*actions: str, effect: str = "Allow") -> str:
    statement = {"Effect": effect, "Action": list(actions), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def caller_of(user: User) -> Caller:
    return Caller(user.account, "AKIA", PrincipalKind.USER, user.name, user.path, user.id)


def may(context: Context, caller: Caller, action: str) -> bool:
    return access.decide(context, caller, Permission(action, "arn:aws:s3:::bucket/key", ACCOUNT)).allowed


@pytest.fixture
def ada(context: Context) -> Caller:
    return caller_of(users.create(context, "ada"))


def test_a_user_has_what_is_written_attached_and_given_to_its_groups(context: Context, ada: Caller) -> None:
    groups.create(context, "team")
    groups.add_member(context, "team", "ada")
    grants = {
        "s3:PutObject": lambda: permissions.put_inline(context, USER, "ada", "p", allowing("s3:PutObject")),
        "s3:GetObject": lambda: permissions.attach(context, USER, "ada", READ_ONLY),
        "s3:DeleteObject": lambda: permissions.put_inline(context, GROUP, "team", "p", allowing("s3:DeleteObject")),
        "s3:PutBucketAcl": lambda: permissions.attach(
            context, GROUP, "team", managed_policies.create(context, "acl", allowing("s3:PutBucketAcl")).arn
        ),
    }
    for action, grant in grants.items():
        assert not may(context, ada, action)
        grant()
        assert may(context, ada, action), "seen at once"
    groups.remove_member(context, "team", "ada")
    assert [may(context, ada, action) for action in grants] == [True, True, False, False]


def test_a_new_default_version_counts_at_once(context: Context, ada: Caller) -> None:
    policy = managed_policies.create(context, "one", allowing("s3:GetObject"))
    permissions.attach(context, USER, "ada", policy.arn)
    assert may(context, ada, "s3:GetObject")
    managed_policies.add_version(context, policy.arn, allowing("s3:PutObject"), becomes_default=False)
    assert may(context, ada, "s3:GetObject")
    managed_policies.set_default_version(context, policy.arn, 2)
    assert (may(context, ada, "s3:GetObject"), may(context, ada, "s3:PutObject")) == (False, True)


def test_a_boundary_limits_a_user_and_a_role(context: Context, ada: Caller) -> None:
    permissions.put_inline(context, USER, "ada", "all", allowing("s3:*"))
    permissions.put_boundary(context, USER, "ada", READ_ONLY)
    assert (may(context, ada, "s3:GetObject"), may(context, ada, "s3:PutObject")) == (True, False)
    decision = access.decide(context, ada, Permission("s3:PutObject", "arn:aws:s3:::bucket/key", ACCOUNT))
    assert decision.sort is PolicySort.BOUNDARY
    permissions.delete_boundary(context, USER, "ada")
    assert may(context, ada, "s3:PutObject")
    role = roles.create(context, "limited", TRUST, boundary=READ_ONLY)
    permissions.put_inline(context, ROLE, "limited", "all", allowing("s3:*"))
    of_role = sessions.caller_of_role(role, "me")
    assert (may(context, of_role, "s3:GetObject"), may(context, of_role, "s3:PutObject")) == (True, False)


def test_an_unknown_boundary_is_refused_and_creates_nothing(context: Context) -> None:
    for create in (users.create, lambda *a, **k: roles.create(a[0], a[1], TRUST, **k)):
        with pytest.raises(NotFoundError):
            create(context, "nobody", boundary="arn:aws:iam::aws:policy/NoSuchAccess")
    with pytest.raises(NotFoundError):
        users.delete(context, "nobody")


def test_session_policies_may_be_arns_of_policies_as_they_are_now(context: Context, ada: Caller) -> None:
    permissions.put_inline(context, USER, "ada", "all", allowing("s3:*"))
    policy = managed_policies.create(context, "session", allowing("s3:GetObject"))
    session = replace(ada, policies=(policy.arn, allowing("s3:ListBucket")))
    assert [may(context, session, f"s3:{name}") for name in ("GetObject", "ListBucket", "PutObject")] == [
        True,
        True,
        False,
    ]
    managed_policies.delete(context, policy.arn)
    assert not may(context, session, "s3:GetObject")


def test_a_federated_user_has_the_intersection_with_its_user(context: Context, ada: Caller) -> None:
    permissions.put_inline(context, USER, "ada", "p", allowing("s3:GetObject", "s3:PutObject"))
    bob = Caller(ACCOUNT, kind=PrincipalKind.FEDERATED_USER, name="bob", unique_id=ada.unique_id, policies=())
    assert not may(context, bob, "s3:GetObject"), "without session policies: nothing"
    bob = replace(bob, policies=(allowing("s3:GetObject", "s3:DeleteObject"),))
    assert [may(context, bob, f"s3:{name}") for name in ("GetObject", "PutObject", "DeleteObject")] == [
        True,
        False,
        False,
    ]
    of_root = replace(bob, unique_id="")
    assert [may(context, of_root, f"s3:{name}") for name in ("GetObject", "PutObject", "DeleteObject")] == [
        True,
        False,
        True,
    ]


def test_a_deleted_user_has_no_policies_and_one_created_again_is_another(context: Context, ada: Caller) -> None:
    users.delete(context, "ada")
    again = caller_of(users.create(context, "ada"))
    permissions.put_inline(context, USER, "ada", "p", allowing("s3:*"))
    assert (may(context, ada, "s3:GetObject"), may(context, again, "s3:GetObject")) == (False, True)


def test_a_policy_that_only_an_earlier_version_accepted_denies_everything(context: Context, ada: Caller) -> None:
    permissions.put_inline(context, USER, "ada", "all", allowing("s3:*"))
    permissions.put_inline(context, USER, "ada", "odd", '{"Statement": {"Effect": "Deny"}}')
    assert not may(context, ada, "s3:GetObject")
    assert len(caller_policies.of(context, ada).identity) == 2
