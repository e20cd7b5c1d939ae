"""CloudTrail's LookupEvents."""

import base64
import json
import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

from lowcloud.api.aws.access.permissions import on_any
from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.cloudtrail import events
from lowcloud.core.audit import log
from lowcloud.core.audit.log import Position, Query
from lowcloud.core.audit.records import Record
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller

PAGE_SIZE = 50
BATCH = 200  # records read at once, where not all of them match

_COLUMNS = {"EventId": "id", "EventName": "operation", "Username": "name", "AccessKeyId": "access_key_id"}


@operation("cloudtrail", "LookupEvents", on_any(), refused=("EventCategory",))
def lookup_events(context: Context, _caller: Caller, request: Request) -> Answer:
    """The newest first."""
    key, value = _attribute(request)
    limit = request.get("MaxResults", PAGE_SIZE)
    found = _matching(context, _query(context, request, key, value), key, value, _position(request))
    page = list(islice(found, limit))
    answer = {"Events": [events.to_event(record) for _, record in page]}
    return answer if next(found, None) is None else {**answer, "NextToken": _token(page[-1][0])}


def _attribute(request: Request) -> tuple[str, str]:
    attributes = request.get("LookupAttributes") or []
    if len(attributes) > 1:
        raise AwsError("InvalidLookupAttributesException", "You can specify only one lookup attribute.")
    if not attributes:
        return "", ""
    return attributes[0]["AttributeKey"], attributes[0]["AttributeValue"]


def _query(context: Context, request: Request, key: str, value: str) -> Query:
    start, end = (request[name].timestamp() if name in request else None for name in ("StartTime", "EndTime"))
    if start is not None and end is not None and start > end:
        raise AwsError("InvalidTimeRangeException", "The start time must not be after the end time.")
    chosen: dict[str, Any] = {"account": context.account_id, "start": start, "end": end}
    if key in _COLUMNS:
        chosen[_COLUMNS[key]] = value
    elif key == "EventSource":
        chosen["services"] = events.services_of(value)
    elif key == "ReadOnly":
        if value not in ("true", "false"):
            raise AwsError("InvalidLookupAttributesException", "The value of ReadOnly must be true or false.")
        chosen["is_read_only"] = value == "true"
    elif key == "ResourceName":
        chosen["text"] = json.dumps(value)[1:-1]
    return Query(**chosen)


def _matching(
    context: Context, query: Query, key: str, value: str, after: Position | None
) -> Iterator[tuple[Position, Record]]:
    """Yield records that have the attribute, the newest first."""
    while found := log.find(context, query, BATCH, after):
        for position, record in found:
            if _has_resource(record, key, value):
                yield position, record
        after = found[-1][0]


def _has_resource(record: Record, key: str, value: str) -> bool:
    arns = [one.resource for one in events.resources_of(record)]
    if key == "ResourceName":
        return value in arns or value in map(events.resource_name, arns)
    return key != "ResourceType" or value in map(events.resource_type, arns)


def _token(position: Position) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def _position(request: Request) -> Position | None:
    if "NextToken" not in request:
        return None
    try:
        time, number = json.loads(base64.urlsafe_b64decode(request["NextToken"]))
        position = float(time), int(number)
    except (ValueError, TypeError, OverflowError):
        position = math.nan, 0
    if not math.isfinite(position[0]) or not 0 < position[1] < 2**62:
        raise AwsError("InvalidNextTokenException", "The token is not one of an earlier answer.")
    return position
