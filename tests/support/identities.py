"""Users, groups and roles for tests, and clients that sign with their keys."""

import json
from typing import Any

from tests.support.servers.server import Server


def policy(*actions: str, resource: str = "*", effect: str = "Allow", **more: Any) -> str:
    """Return an identity-based policy of one statement."""
    statement = {"Effect": effect, "Action": list(actions), "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(principal: object, action: object = "sts:AssumeRole", **more: Any) -> str:
    """Return a trust policy of one statement."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": action, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def make_user(server: Server, name: str, *documents: str) -> dict[str, str]:
    """Create a user with these policies, and return a new access key as `signed_by` takes it."""
    iam = server.client("iam")
    iam.create_user(UserName=name)
    for number, document in enumerate(documents):
        iam.put_user_policy(UserName=name, PolicyName=f"policy-{number}", PolicyDocument=document)
    key: dict[str, str] = iam.create_access_key(UserName=name)["AccessKey"]
    return key


def signed_by(server: Server, credentials: dict[str, str], service: str) -> Any:
    """Return a client that signs with an access key or with temporary credentials."""
    return server.client(
        service,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials.get("SessionToken"),
    )
