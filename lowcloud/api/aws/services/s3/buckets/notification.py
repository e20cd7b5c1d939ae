"""The notification configuration of a bucket: validated and stored; core records the events that it selects.

Source: Amazon S3 User Guide, "Event notification types and destinations".
"""

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.buckets.documents import invalid, to_json
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.permissions import OnBucket
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage.buckets import buckets, configurations
from lowcloud.core.storage.objects import notifications
from lowcloud.core.storage.objects.notifications import NotificationRule

KIND = "notification"
MAX_VALUE_LENGTH = 1024
_DESTINATIONS = {  # the list member, the member with the destination's ARN, and its pattern
    "TopicConfigurations": ("TopicArn", r"arn:aws[\w-]*:sns:[\w-]+:\d{12}:[\w-]{1,256}(\.fifo)?"),
    "QueueConfigurations": ("QueueArn", r"arn:aws[\w-]*:sqs:[\w-]+:\d{12}:[\w-]{1,80}(\.fifo)?"),
    "LambdaFunctionConfigurations": (
        "LambdaFunctionArn",
        r"arn:aws[\w-]*:lambda:[\w-]+:\d{12}:function:[\w-]{1,64}(:[\w$-]+)?",
    ),
}

EVENTS = {  # by core's names; S3 has more events, which do not occur here
    notifications.PUT: "s3:ObjectCreated:Put",
    notifications.POSTED: "s3:ObjectCreated:Post",
    notifications.COPIED: "s3:ObjectCreated:Copy",
    notifications.COMPLETED: "s3:ObjectCreated:CompleteMultipartUpload",
    "removed:delete": "s3:ObjectRemoved:Delete",
    "removed:marker": "s3:ObjectRemoved:DeleteMarkerCreated",
    "expired:delete": "s3:LifecycleExpiration:Delete",
    "expired:marker": "s3:LifecycleExpiration:DeleteMarkerCreated",
    notifications.TAGGED: "s3:ObjectTagging:Put",
    notifications.UNTAGGED: "s3:ObjectTagging:Delete",
    notifications.ACCESS_LIST_CHANGED: "s3:ObjectAcl:Put",
}


@dataclass(frozen=True)
class _Rule:
    events: frozenset[str]
    prefix: str
    suffix: str


@s3_operation(
    "PutBucketNotificationConfiguration", OnBucket("s3:PutBucketNotification"), ignored=("SkipDestinationValidation",)
)
def put_bucket_notification_configuration(context: Context, _caller: Caller, request: Request) -> Answer:
    """An empty configuration removes the existing one."""
    configuration = request["NotificationConfiguration"]
    document: dict[str, Any] = {
        member: [_with_id(item) for item in configuration.get(member, ())] for member in _DESTINATIONS
    }
    if "EventBridgeConfiguration" in configuration:
        document["EventBridgeConfiguration"] = {}
    _check(document)
    notifications.configure(context, request["Bucket"], KIND, to_json(document), _to_core(document))
    return {}


@s3_operation("GetBucketNotificationConfiguration", OnBucket("s3:GetBucketNotification"))
def get_bucket_notification_configuration(context: Context, _caller: Caller, request: Request) -> Answer:
    buckets.find(context, request["Bucket"])
    return configurations.get(context, request["Bucket"], KIND) or {}


def _to_core(document: Mapping[str, Any]) -> list[NotificationRule]:
    """Return the rules that core records events by; an event bus receives all events."""
    parsed = [_rule(item) for member in _DESTINATIONS for item in document[member]]
    rules = [
        NotificationRule([kind for kind in EVENTS if _selects(rule, kind)], rule.prefix, rule.suffix) for rule in parsed
    ]
    everything = [NotificationRule(list(EVENTS))] if "EventBridgeConfiguration" in document else []
    return [rule for rule in rules if rule.kinds] + everything


def _selects(rule: _Rule, kind: str) -> bool:
    return any(_events_overlap(event, EVENTS[kind]) for event in rule.events)


def _with_id(item: Mapping[str, Any]) -> dict[str, Any]:
    return {**item, "Id": item.get("Id") or secrets.token_hex(16)}


def _check(document: Mapping[str, Any]) -> None:
    """Raise AwsError for an invalid configuration."""
    items = [(member, item) for member in _DESTINATIONS for item in document[member]]
    if len({item["Id"] for _, item in items}) < len(items):
        raise invalid("Same ID used for multiple configurations. IDs must be unique")
    for member, item in items:
        name, pattern = _DESTINATIONS[member]
        if not re.fullmatch(pattern, item[name]):
            raise invalid("The ARN could not be parsed", ArgumentName=name, ArgumentValue=item[name])
    for one, other in combinations([_rule(item) for _, item in items], 2):
        if _overlap(one, other):
            raise invalid(
                "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes "
                "are overlapping for the same event type."
            )


def _rule(item: Mapping[str, Any]) -> _Rule:
    if not item["Events"]:
        raise invalid("A notification configuration must have at least one event.")
    values: dict[str, str] = {}
    for name, value in _filter_rules(item):
        if name in values:
            raise invalid(f"Cannot specify more than one {name} rule in a filter.")
        if len(value) > MAX_VALUE_LENGTH:
            raise invalid(f"The size of the {name} must be less than or equal to {MAX_VALUE_LENGTH}")
        values[name] = value
    return _Rule(frozenset(item["Events"]), values.get("prefix", ""), values.get("suffix", ""))


def _filter_rules(item: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for rule in item.get("Filter", {}).get("Key", {}).get("FilterRules", ()):
        if "Name" not in rule:
            raise invalid("filter rule name must be either prefix or suffix")
        yield rule["Name"], rule.get("Value", "")


def _overlap(one: _Rule, other: _Rule) -> bool:
    """Return whether an event could match both rules."""
    return (
        any(_events_overlap(event, known) for event in one.events for known in other.events)
        and (one.prefix.startswith(other.prefix) or other.prefix.startswith(one.prefix))
        and (one.suffix.endswith(other.suffix) or other.suffix.endswith(one.suffix))
    )


def _events_overlap(event: str, known: str) -> bool:
    """Return whether two event names overlap; "s3:ObjectCreated:*" matches all with this prefix."""
    return any(
        a == b or (a.endswith(":*") and b.startswith(a.removesuffix("*"))) for a, b in ((event, known), (known, event))
    )
