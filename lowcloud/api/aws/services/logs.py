"""CloudWatch Logs operations."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lowcloud.api.aws.access.permissions import on, on_any
from lowcloud.api.aws.errors import AwsError, ErrorCodes, register_errors
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError, NotFoundError
from lowcloud.core.identity.callers import Caller
from lowcloud.core.telemetry import logs

DEFAULT_PAGE_SIZE = 50  # of groups or streams
EVENTS_LIMIT = 10_000
EVENT_OVERHEAD_BYTES = 26  # that CloudWatch Logs counts for each event in addition to its message
PAGE_BYTES = 1024 * 1024

register_errors(
    "logs",
    ErrorCodes(
        {InvalidError: ("InvalidParameterException", 400)},
        invalid_input="InvalidParameterException",
    ),
)

_POSITION = re.compile(r"[0-9]{1,18}")  # fits in an integer of the database


@operation(
    "logs",
    "DescribeLogGroups",
    on_any(),
    refused=("accountIdentifiers", "includeLinkedAccounts", "logGroupIdentifiers"),
    ignored=("logGroupClass",),
)
def describe_log_groups(context: Context, _caller: Caller, request: Request) -> Answer:
    """By name."""
    found = logs.groups(context, request.get("logGroupNamePrefix", ""))
    if part := request.get("logGroupNamePattern"):
        found = [group for group in found if part.lower() in group.name.lower()]
    groups = [
        {"logGroupName": group.name, "creationTime": int(group.created_at * 1000), "arn": _arn(context, group.name)}
        for group in found
    ]
    return _page(groups, "logGroups", "logGroupName", request)


@operation("logs", "DescribeLogStreams", on("log-group:{logGroupName}:log-stream:"), refused=("logGroupIdentifier",))
def describe_log_streams(context: Context, _caller: Caller, request: Request) -> Answer:
    """By name, or by the time of the last event."""
    prefix = request.get("logStreamNamePrefix")
    by_time = request.get("orderBy") == "LastEventTime"
    if by_time and prefix:
        raise AwsError("InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix.")
    try:
        found = logs.streams(context, _group(request), prefix)
    except NotFoundError as error:
        raise _not_found(error) from error
    if by_time:
        found = sorted(found, key=lambda stream: (stream.last_event_ms or 0, stream.name))
    streams = [_describe_stream(context, request["logGroupName"], stream) for stream in found]
    if request.get("descending"):
        streams.reverse()
    return _page(streams, "logStreams", "logStreamName", request)


@operation(
    "logs",
    "GetLogEvents",
    on("log-group:{logGroupName}:log-stream:{logStreamName}"),
    refused=("logGroupIdentifier", "unmask"),
)
def get_log_events(context: Context, _caller: Caller, request: Request) -> Answer:
    """One page of a stream, live while its program runs. The tokens "f/ID" and "b/ID" go forward and backward."""
    direction, _, digits = (request.get("nextToken") or "").partition("/")
    if direction not in ("", "f", "b") or (request.get("nextToken") and not _POSITION.fullmatch(digits)):
        raise AwsError("InvalidParameterException", "The specified nextToken is invalid.")
    position = int(digits or 0)
    is_forward = direction == "f" or (not direction and request.get("startFromHead", False))
    try:
        found = logs.read_stream(
            context,
            _group(request),
            request["logStreamName"],
            request.get("limit", EVENTS_LIMIT),
            after=position if is_forward else None,
            before=position if direction == "b" else None,
            start_ms=request.get("startTime"),
            end_ms=request.get("endTime"),
        )
    except NotFoundError as error:
        raise _not_found(error) from error
    kept = _fit_page(found) if is_forward else _fit_page(found[::-1])[::-1]
    first, last = (kept[0].id, kept[-1].id) if kept else (position, position)
    return {
        "events": [
            {"timestamp": event.timestamp_ms, "message": event.message, "ingestionTime": event.ingestion_ms}
            for event in kept
        ],
        "nextForwardToken": f"f/{last}",
        "nextBackwardToken": f"b/{first}",
    }


@operation(
    "logs",
    "FilterLogEvents",
    on("log-group:{logGroupName}:log-stream:"),
    refused=("logGroupIdentifier", "unmask"),
    ignored=("interleaved",),
)
def filter_log_events(context: Context, _caller: Caller, request: Request) -> Answer:
    """Events that contain the terms of a simple pattern; JSON and space-delimited patterns are refused."""
    pattern = request.get("filterPattern", "").strip()
    if pattern.startswith(("{", "[", "%")):
        raise AwsError("InvalidParameterException", "Lowcloud supports only patterns of words and quoted phrases yet.")
    limit = request.get("limit", EVENTS_LIMIT)
    token = request.get("nextToken", "0")
    if not _POSITION.fullmatch(token):
        raise AwsError("InvalidParameterException", "The specified nextToken is invalid.")
    try:
        found = logs.filter_events(
            context,
            _group(request),
            limit,
            names=request.get("logStreamNames"),
            name_prefix=request.get("logStreamNamePrefix"),
            terms=logs.parse_terms(pattern) if pattern else None,
            after=int(token),
            start_ms=request.get("startTime"),
            end_ms=None if request.get("endTime") is None else request["endTime"] + 1,  # inclusive here
        )
    except NotFoundError as error:
        raise _not_found(error) from error
    kept = _fit_page(found)
    events = [
        {
            "logStreamName": event.stream,
            "timestamp": event.timestamp_ms,
            "message": event.message,
            "ingestionTime": event.ingestion_ms,
            "eventId": str(event.id),
        }
        for event in kept
    ]
    has_more = len(kept) < len(found) or len(found) == limit
    return {
        "events": events,
        "searchedLogStreams": [],
        **({"nextToken": str(kept[-1].id)} if has_more and kept else {}),
    }


def _fit_page(found: Sequence[logs.LogEvent]) -> list[logs.LogEvent]:
    """Return the first events that fit in the megabyte of one answer."""
    size = 0
    kept: list[logs.LogEvent] = []
    for event in found:
        size += len(event.message.encode()) + EVENT_OVERHEAD_BYTES
        if kept and size > PAGE_BYTES:
            break
        kept.append(event)
    return kept


def _page(items: Sequence[Mapping[str, Any]], member: str, key: str, request: Request) -> Answer:
    """Return a page of a sorted list; the token is the name of the last item of the page before."""
    start = 0
    if token := request.get("nextToken"):
        names = [item[key] for item in items]
        if token not in names:
            raise AwsError("InvalidParameterException", "The specified nextToken is invalid.")
        start = names.index(token) + 1
    limit = request.get("limit", DEFAULT_PAGE_SIZE)
    page = items[start : start + limit]
    has_more = start + limit < len(items)
    return {member: page, **({"nextToken": page[-1][key]} if has_more else {})}


def _describe_stream(context: Context, group: str, stream: Any) -> dict[str, Any]:
    times = {
        "firstEventTimestamp": stream.first_event_ms,
        "lastEventTimestamp": stream.last_event_ms,
        "lastIngestionTime": stream.last_ingestion_ms,
    }
    return {
        "logStreamName": stream.name,
        "creationTime": int(stream.created_at * 1000),
        "arn": f"{_arn(context, group)}:log-stream:{stream.name}",
        "storedBytes": 0,  # CloudWatch Logs reports 0 for streams since 2019
        **{member: value for member, value in times.items() if value is not None},
    }


def _group(request: Request) -> str:
    if "logGroupName" not in request:
        raise AwsError("InvalidParameterException", "logGroupName is required.")
    group: str = request["logGroupName"]
    return group


def _arn(context: Context, group: str) -> str:
    return f"arn:aws:logs:{context.settings.region}:{context.settings.account_id}:log-group:{group}"


def _not_found(error: NotFoundError) -> AwsError:
    return AwsError("ResourceNotFoundException", f"The specified {error.noun} does not exist.")
