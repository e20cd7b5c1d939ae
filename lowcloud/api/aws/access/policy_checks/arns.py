"""Checks of the resources of a statement: whether they are ARNs of anything."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from lowcloud.api.aws.access import reference
from lowcloud.api.aws.access.policy_checks.findings import Finding, error
from lowcloud.api.aws.access.policy_checks.texts import check_redundancy, check_types, texts_of
from lowcloud.core.policies.positions import Path
from lowcloud.core.policies.templates import ARN_PARTS

_PARTITIONS = ("aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-eusc")
_OPEN = re.compile(r"[*?]|\$\{")  # a part of which any value may be meant
_VARIABLE = re.compile(r"\\\$\\\{\w+\\\}")  # of a format, escaped


def check(statement: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    """Yield what is wrong with the resources of a statement."""
    yield from check_types(statement, path, "Resource", "NotResource")
    named = texts_of(statement, path, "Resource", "NotResource")
    for text, where in named:
        if text != "*":
            yield from _of_arn(text, where)
    yield from check_redundancy(named, "resource")


def _of_arn(text: str, path: Path) -> Iterator[Finding]:
    if not text.startswith("arn:"):
        yield error("INVALID_ARN_PREFIX", "Add the required prefix (arn) to the resource ARN.", path)
        return
    parts = text.split(":", ARN_PARTS - 1)
    if len(parts) < ARN_PARTS:
        if not text.endswith("*"):
            details = "Add the missing fields to the resource ARN: arn:partition:service:region:account:resource"
            yield error("MISSING_ARN_FIELD", details, path)
        return
    _, partition, service, region, account, _ = parts
    if not _OPEN.search(partition) and partition not in _PARTITIONS:
        details = f"The partition {partition[:64]} is not valid. Use one of: {', '.join(_PARTITIONS[:3])}."
        yield error("INVALID_PARTITION", details, path)
    if service != service.lower():
        details = "Update the service name in the resource ARN to use all lowercase letters."
        yield error("INVALID_ARN_SERVICE_CASE", details, path)
    if account and account != "aws" and not _OPEN.search(account) and not re.fullmatch(r"\d{12}", account, re.ASCII):
        details = "The resource ARN account ID is not valid. Provide a 12-digit account ID."
        yield error("INVALID_ARN_ACCOUNT", details, path)
    known = reference.find(service)
    if known is not None:
        yield from _of_known_service(known, region, text, path)


def _of_known_service(known: reference.Service, region: str, text: str, path: Path) -> Iterator[Finding]:
    if region and all(one.split(":")[3] == "" for one in known.arns if one.split(":")[2] == known.prefix):
        details = f"The service {known.prefix} does not support specifying a Region in the resource ARN."
        yield error("ARN_REGION_NOT_ALLOWED", details, path)
    elif not _OPEN.search(text) and known.arns and not any(one.fullmatch(text) for one in _formats(known.prefix)):
        details = "Resource ARN does not match the expected ARN format. Update the resource portion of the ARN."
        yield error("INVALID_ARN_RESOURCE", details, path)


@cache
def _formats(prefix: str) -> list[re.Pattern[str]]:
    """Return expressions of the ARNs of a service; each variable stands for a text without colons before the last."""
    known = reference.find(prefix)
    assert known is not None
    expressions = []
    for one in known.arns:
        head, _, last = re.escape(one).rpartition(":")
        expressions.append(re.compile(f"{_VARIABLE.sub('[^:]*', head)}:{_VARIABLE.sub('.+', last)}", re.DOTALL))
    return expressions
