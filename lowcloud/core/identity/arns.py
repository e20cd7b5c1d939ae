"""ARNs of identities and policies, which policies name them by."""

import re
from dataclasses import dataclass

AWS_ACCOUNT = "aws"  # whose managed policies every account may attach

_ARN = re.compile(
    r"arn:aws:iam::(?P<account>\d{12}|aws):(?P<sort>[a-z-]+)(?P<path>/(?:[\x21-\x7e]+/)?)(?P<name>[\w+=,.@-]{1,128})",
    re.ASCII,
)


@dataclass(frozen=True)
class IdentityArn:
    """The parts of the ARN of a user, group, role, policy or instance profile."""

    account_id: str
    sort: str  # "user", "group", "role", "policy", "instance-profile"
    path: str
    name: str


def of(account_id: str, sort: str, path: str, name: str) -> str:
    """Return the ARN of a user, group, role, policy or instance profile."""
    return f"arn:aws:iam::{account_id}:{sort}{path}{name}"


def parse(arn: str) -> IdentityArn | None:
    """Return the parts of an ARN, or None for a text that is none of these."""
    match = _ARN.fullmatch(arn)
    return IdentityArn(match["account"], match["sort"], match["path"], match["name"]) if match else None
