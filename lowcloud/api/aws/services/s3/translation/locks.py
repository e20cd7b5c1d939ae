"""Object locks in requests and responses: retention and legal hold."""

from datetime import datetime
from typing import Any

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Request
from lowcloud.core.context import Context
from lowcloud.core.storage.objects.locks import UNLOCKED, Lock

ON, OFF = "ON", "OFF"
# Event-based holds, which Lowcloud does not support.
EVENT_HOLD = ("ObjectLockEventHold", "ObjectLockEventHoldDurationDays", "ObjectLockEventHoldDurationYears")


def parse_lock(context: Context, request: Request) -> Lock:
    """Parse the lock of a new object. Raises AwsError."""
    mode, until = request.get("ObjectLockMode"), request.get("ObjectLockRetainUntilDate")
    hold = request.get("ObjectLockLegalHoldStatus")
    if mode is None and until is None and hold is None:
        return UNLOCKED
    if (mode is None) != (until is None):
        message = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied"
        raise AwsError("InvalidArgument", message)
    if mode is None or until is None:
        return Lock(legal_hold=hold == ON)
    return Lock(mode.lower(), parse_retain_until(context, until), None if hold is None else hold == ON)


def render_lock(lock: Lock) -> dict[str, Any]:
    """Return the members of a response for a lock."""
    if lock is UNLOCKED:
        return {}
    return {
        "ObjectLockMode": None if lock.retention is None else lock.retention.upper(),
        "ObjectLockRetainUntilDate": lock.retain_until,
        "ObjectLockLegalHoldStatus": render_legal_hold(lock),
    }


def render_legal_hold(lock: Lock) -> str | None:
    """Return ON or OFF for a legal hold, None if it was never set."""
    return None if lock.legal_hold is None else (ON if lock.legal_hold else OFF)


def parse_retain_until(context: Context, until: datetime) -> float:
    """Return a retain-until time in seconds since the epoch. Raises AwsError if it is in the past."""
    if until.timestamp() <= context.now():
        fields = {"ArgumentName": "RetainUntilDate", "ArgumentValue": until.isoformat()}
        raise AwsError("InvalidArgument", "The retain until date must be in the future!", fields=fields)
    return until.timestamp()
