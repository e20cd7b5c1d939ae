"""The command that shows the audit log: `lowcloud audit`."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from lowcloud.cli.terminal.connection import connect_aws
from lowcloud.cli.terminal.lists import ROWS_SHOWN, All, AsJson, Number, items_of, print_list, to_time
from lowcloud.cli.terminal.output import Home, fail

_DURATION = re.compile(r"(\d+)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

Item = Mapping[str, Any]


def audit(
    user: Annotated[str, typer.Option(metavar="NAME", help="Only what this user or role session did.")] = "",
    denied: Annotated[bool, typer.Option("--denied", help="Only what was refused.")] = False,
    since: Annotated[str, typer.Option(metavar="TIME", help="Only the last 30s, 5m, 1h or 7d.")] = "",
    number: Number = ROWS_SHOWN,
    all_: All = False,
    as_json: AsJson = False,
    home: Home = None,
) -> None:
    """Show who did what, from where, and what was refused; the newest first."""
    chosen: dict[str, Any] = {}
    if user:
        chosen["LookupAttributes"] = [{"AttributeKey": "Username", "AttributeValue": user}]
    if since:
        chosen["StartTime"] = datetime.now(UTC) - _duration(since)
    cloudtrail = connect_aws(home, "cloudtrail")
    columns = {
        "Time": lambda item: to_time(datetime.fromisoformat(item["eventTime"]).timestamp()),
        "Who": _who,
        "What": lambda item: f"{item['eventSource'].partition('.')[0]}:{item.get('eventName') or '-'}",
        "Resource": lambda item: ", ".join(one["ARN"].split(":", 5)[-1] for one in item.get("resources", ())),
        "From": lambda item: item["sourceIPAddress"],
        "Outcome": _outcome,
    }
    events = (item for item in _events(cloudtrail, chosen) if not denied or _is_refused(item))
    print_list(events, columns, "records", None if all_ else number, as_json)


def _events(cloudtrail: Any, chosen: Mapping[str, Any]) -> Iterator[Item]:
    for event in items_of(cloudtrail.get_paginator("lookup_events").paginate(**chosen), "Events"):
        yield json.loads(event["CloudTrailEvent"])


def _duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise fail(f"--since takes a number with its unit, such as 30s, 5m, 1h or 7d, not {text!r}.")
    try:
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        raise fail(f"--since {text} is before all times.") from None


def _who(item: Item) -> str:
    identity = item["userIdentity"]
    arn: str = identity.get("arn", "")
    return arn.split(":", 5)[-1] or str(identity.get("accessKeyId", ""))


def _is_refused(item: Item) -> bool:
    return bool(item.get("additionalEventData", {}).get("refused"))


def _outcome(item: Item) -> str:
    code = item.get("errorCode", "")
    return f"refused: {code}" if _is_refused(item) else code or "done"
