"""Every operation, asked by callers with each sort of policy: the answers are those of the slow evaluator.

A caller that is allowed may be told that there is no such resource, but never that access is denied. The policies of
callers are given to the gateway directly; that those of users and roles are found is tested where they are made.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import botocore
import pytest
from botocore import xform_name
from botocore.exceptions import ClientError

from lowcloud.api.aws.access.calls import ACTION_PREFIXES, Call
from lowcloud.api.aws.access.permissions import NOTHING
from lowcloud.api.aws.gateway import Gateway
from lowcloud.api.aws.services import OPERATIONS
from lowcloud.core.context import Context
from lowcloud.core.identity import caller_policies, sessions
from lowcloud.core.identity.access import Permission
from lowcloud.core.identity.callers import Caller
from lowcloud.core.policies import documents
from lowcloud.core.policies.evaluation import Policies
from lowcloud.core.policies.requests import PrincipalKind
from tests.support.aws_requests import BUCKET, sample
from tests.support.policies import slow_evaluator
from tests.support.policies.slow_evaluator import (
    ALLOWED,
    EXPLICIT_DENY,
    IMPLICIT_DENY,
    Document,
    Question,
    Subject,
)
from tests.support.servers.endpoint import ACCOUNT, Endpoint
from tests.support.servers.gateways import serving

OTHER_ACCOUNT = "210987654321"
TRUST = '{"Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}}'
ROLE = "asker"
DENIED = ("AccessDenied", "AccessDeniedException", "403")  # the last for HEAD, which has no body
UNSIGNED_CODES = (*DENIED, "MissingAuthenticationToken", "MissingAuthenticationTokenException")
LAST = ("DeleteObject", "DeleteObjects", "DeleteBucket", "DeleteRole")  # the others need what these delete
UNSIGNED = ("AssumeRoleWithWebIdentity",)  # the token of the request proves who asks
# What no policy can allow to a session: their own tests say to whom they are open.
NOT_FOR_SESSIONS = ("CreateUserSession", "GetFederationToken")
PER_ITEM = ("DeleteObjects",)  # answers for each item, tested with its service


def statement(effect: str, *actions: str, **more: Any) -> Document:
    return {"Effect": effect, "Action": list(actions), "Resource": "*", **more}


def policy(*statements: Document) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


ALLOW, DENY = policy(statement("Allow", "*")), policy(statement("Deny", "*"))
UNRELATED = policy(statement("Allow", "unrelated:Action"))


@dataclass(frozen=True)
class Cell:
    """One column of the matrix: the policies of a caller, made for the permissions that an operation needs."""

    name: str
    identity: Callable[[list[Permission]], list[Document]] = lambda _: []
    boundary: Document | None = None
    session: Document | None = None
    bucket_policy: Document | None = None
    account: str = ACCOUNT
    reason: str = "because no identity-based policy allows"

    @property
    def caller(self) -> Caller:
        own = None if self.session is None else (json.dumps(self.session),)
        kind = PrincipalKind.ROLE_SESSION if self.account == ACCOUNT else PrincipalKind.FEDERATED_USER
        session = self.name if self.account == ACCOUNT else ""
        return Caller(self.account, kind=kind, name=ROLE, session=session, policies=own)


def exactly(needed: list[Permission]) -> list[Document]:
    return [
        policy(*(statement("Allow", one.action, Resource=one.resource) for one in needed), statement("Deny", "a:b"))
    ]


CELLS = [
    Cell("nothing"),
    Cell("allow", exactly),
    Cell("one-less", lambda needed: exactly(needed[:-1])),
    Cell(
        "deny",
        lambda needed: [ALLOW, policy(statement("Deny", needed[-1].action))],
        reason="with an explicit deny in an identity-based policy",
    ),
    Cell("boundary", lambda _: [ALLOW], boundary=UNRELATED, reason="because no permissions boundary allows"),
    Cell("both", exactly, boundary=ALLOW, session=ALLOW),
    Cell("session", lambda _: [ALLOW], session=UNRELATED, reason="because no session policy allows"),
    Cell("other", lambda _: [ALLOW], account=OTHER_ACCOUNT, reason="because no resource-based policy allows"),
]
SHARED = policy(
    {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/{ROLE}/bucket"},
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
    }
)
BUCKET_CELLS = [
    Cell("bucket", bucket_policy=SHARED),
    replace(CELLS[3], bucket_policy=SHARED),
]


@dataclass
class Cloud:
    """A gateway with a bucket and a role, and clients of all callers."""

    context: Context
    endpoint: Endpoint
    policies: dict[str, Policies]  # by the name of the cell
    clients: dict[tuple[str, str], Any] = field(default_factory=dict)

    def client(self, cell: Cell, service: str) -> Any:
        found = self.clients.get((cell.name, service))
        if found is None:
            issued = sessions.issue(self.context, cell.caller, 3600)
            found = self.clients[cell.name, service] = self.endpoint.client(
                service,
                aws_access_key_id=issued.access_key_id,
                aws_secret_access_key=issued.secret_access_key,
                aws_session_token=issued.session_token,
            )
        return found


@pytest.fixture
def cloud(gateway: Gateway, context: Context, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    found: dict[str, Policies] = {}

    def of(_: Context, caller: Caller) -> Policies:
        own = found[caller.session or "other"] if not caller.is_root else Policies()
        limits = None if caller.policies is None else [compiled(json.loads(one)) for one in caller.policies]
        return Policies(own.identity, own.boundary, limits)

    monkeypatch.setattr(caller_policies, "of", of)
    with serving(gateway) as endpoint:
        endpoint.client("iam").create_role(RoleName=ROLE, AssumeRolePolicyDocument=TRUST)
        s3 = endpoint.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        for key in ("book", "source", "kept"):
            s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
        yield Cloud(context, endpoint, found)


def test_every_operation_answers_every_caller_as_policies_say(cloud: Cloud) -> None:
    wrong: list[str] = []
    decisions: set[str] = set()
    for service, name in ordered():
        request = sample(service, name, () if "Tags" in OPERATIONS[service, name].refused else ("Tags",))
        for cell in (*CELLS, *(BUCKET_CELLS if service == "s3" else ())):
            needed = permissions(cloud.context, cell.caller, service, name, request)
            if needed:
                expected, denied = decide(cell, needed)
                if expected == ALLOWED and name in NOT_FOR_SESSIONS:
                    continue
                decisions.add(expected)
                answer = ask(cloud, cell, service, name, request)
                wrong += [f"{service} {name} {cell.name}: {fault}" for fault in faults(cell, expected, denied, answer)]
    assert not wrong, "\n".join(wrong)
    assert decisions == {ALLOWED, EXPLICIT_DENY, IMPLICIT_DENY}


def test_no_operation_answers_requests_without_keys(cloud: Cloud) -> None:
    wrong: list[str] = []
    for service, name in ordered(with_nothing=True):
        client = cloud.clients.setdefault(
            ("", service), cloud.endpoint.client(service, config={"signature_version": botocore.UNSIGNED})
        )
        code, _ = perform(client, name, sample(service, name))
        if code not in UNSIGNED_CODES and name not in UNSIGNED:
            wrong.append(f"{service} {name}: {code}")
    assert not wrong, "\n".join(wrong)


def ordered(with_nothing: bool = False) -> list[tuple[str, str]]:
    found = [key for key, one in OPERATIONS.items() if with_nothing or one.access is not NOTHING]
    return sorted((key for key in found if key[1] not in PER_ITEM), key=lambda key: (key[1] in LAST, key))


def permissions(context: Context, caller: Caller, service: str, name: str, request: Any) -> list[Permission]:
    prefix = ACTION_PREFIXES.get(service, service)
    return list(OPERATIONS[service, name].access(Call(context, caller, prefix, name, dict(request), {})))


def decide(cell: Cell, needed: list[Permission]) -> tuple[str, Permission]:
    """Return the first decision that is not to allow, with its permission; or else that all are allowed."""
    caller = cell.caller
    kind = caller.kind.value
    for one in needed:
        decision = slow_evaluator.decide(
            Question(
                Subject(kind, caller.account_id, caller.arn, caller.role_arn),
                one.action,
                one.resource,
                one.account_id,
                {},
                cell.identity(needed),
                cell.boundary,
                None if cell.session is None else [cell.session],
                None if one.find_access is None else cell.bucket_policy,
            )
        )
        if decision != ALLOWED:
            return decision, one
    return ALLOWED, needed[0]


def ask(cloud: Cloud, cell: Cell, service: str, name: str, request: Any) -> tuple[str, str]:
    """Perform an operation as the caller of a cell; return code and message of the error, or ""."""
    needed = permissions(cloud.context, cell.caller, service, name, request)
    cloud.policies[cell.name] = Policies(
        [compiled(one) for one in cell.identity(needed)], None if cell.boundary is None else compiled(cell.boundary)
    )
    if cell.bucket_policy is not None:
        cloud.endpoint.client("s3").put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(cell.bucket_policy))
    try:
        return perform(cloud.client(cell, service), name, request)
    finally:
        if cell.bucket_policy is not None:
            cloud.endpoint.client("s3").delete_bucket_policy(Bucket=BUCKET)


def perform(client: Any, name: str, request: Any) -> tuple[str, str]:
    try:
        getattr(client, xform_name(name))(**request)
    except ClientError as error:
        found = error.response.get("Error", {})
        return found.get("Code") or str(error.response["ResponseMetadata"]["HTTPStatusCode"]), found.get("Message", "")
    return "", ""


def faults(cell: Cell, expected: str, denied: Permission, answer: tuple[str, str]) -> Iterator[str]:
    code, message = answer
    if expected == ALLOWED:
        if code in DENIED:
            yield f"is denied: {message}"
        return
    if code not in DENIED:
        yield f"answers {code or 'success'} {message}"
    elif code != "403":
        on = "" if denied.resource == "*" else f" on resource: {denied.resource}"
        start = f"User: {cell.caller.arn} is not authorized to perform: {denied.action}{on} {cell.reason}"
        if not message.startswith(start):
            yield f"says {message!r} and not {start!r}"


def compiled(document: Document) -> documents.Policy:
    return documents.parse(json.dumps(document), documents.IDENTITY)
