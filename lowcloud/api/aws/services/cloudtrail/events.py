"""Records of the audit log in CloudTrail's form.

Source: AWS CloudTrail User Guide, "CloudTrail record contents".
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from lowcloud.core.audit.records import Actor, Asked, Record

VERSION = "1.08"
_SOURCES = {"cloudwatch": "monitoring", "sagemaker-runtime": "sagemaker", "sagemaker-metrics": "sagemaker"}
_DOMAIN = ".amazonaws.com"
_TYPES = {
    "root": "Root",
    "user": "IAMUser",
    "role session": "AssumedRole",
    "federated user": "FederatedUser",
    "service": "AWSService",
    "anonymous": "AWSAccount",
    "": "Unknown",
}
_PRODUCTS = {"iam": "IAM", "logs": "Logs", "s3": "S3", "sagemaker": "SageMaker", "sts": "STS"}


def source_of(service: str) -> str:
    """Return the source of a service's events: "sagemaker.amazonaws.com"."""
    return _SOURCES.get(service, service) + _DOMAIN


def services_of(source: str) -> Sequence[str]:
    """Return the services whose events have a source."""
    name = source.removesuffix(_DOMAIN)
    return [name, *(service for service, its_source in _SOURCES.items() if its_source == name)]


def to_event(record: Record) -> dict[str, Any]:
    """Return a member of LookupEvents' answer."""
    return {
        "EventId": record.id,
        "EventName": record.operation,
        "ReadOnly": _text(record.is_read_only),
        "AccessKeyId": record.actor.access_key_id or None,
        "EventTime": record.time,
        "EventSource": source_of(record.service),
        "Username": record.actor.name or None,
        "Resources": [
            {"ResourceType": resource_type(one.resource), "ResourceName": resource_name(one.resource)}
            for one in resources_of(record)
        ],
        "CloudTrailEvent": json.dumps(to_record(record)),
    }


def to_record(record: Record) -> dict[str, Any]:
    """Return a record in CloudTrail's form."""
    found = {
        "eventVersion": VERSION,
        "userIdentity": _identity(record.actor),
        "eventTime": datetime.fromtimestamp(record.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": source_of(record.service),
        "eventName": record.operation,
        "awsRegion": record.region,
        "sourceIPAddress": record.address,
        "userAgent": record.agent,
        "errorCode": record.error,
        "errorMessage": record.message,
        "requestParameters": dict(record.parameters) or None,
        "responseElements": None,
        "additionalEventData": _more(record),
        "requestID": record.id,
        "eventID": record.id,
        "readOnly": record.is_read_only,
        "resources": [
            {"accountId": one.account, "type": resource_type(one.resource), "ARN": one.resource}
            for one in resources_of(record)
        ],
        "eventType": "AwsApiCall",
        "managementEvent": not record.is_data,
        "recipientAccountId": record.account,
        "eventCategory": "Data" if record.is_data else "Management",
    }
    optional = ("errorCode", "errorMessage", "resources", "additionalEventData")
    return {name: value for name, value in found.items() if value or name not in optional}


def resources_of(record: Record) -> list[Asked]:
    """Return the resources of a record, each once."""
    return list({one.resource: one for one in record.asked if one.resource != "*"}.values())


def resource_type(arn: str) -> str:
    """Return the type of a resource as CloudTrail names it: "AWS::SageMaker::TrainingJob"."""
    _, _, service, _, _, rest = _parts(arn)
    kind = rest.replace(":", "/").partition("/")[0]
    if service == "s3":
        kind = "object" if "/" in rest else "bucket"
    name = "".join(word[:1].upper() + word[1:] for word in kind.split("-"))
    return f"AWS::{_PRODUCTS.get(service, service.capitalize())}::{name}"


def resource_name(arn: str) -> str:
    """Return the name of a resource in its ARN."""
    _, _, service, _, _, rest = _parts(arn)
    return rest if service == "s3" else rest.replace(":", "/", 1).partition("/")[2] or rest


def _parts(arn: str) -> list[str]:
    parts = arn.split(":", 5)
    return [*parts, *[""] * (6 - len(parts))]


def _text(is_true: bool) -> str:
    return "true" if is_true else "false"


def _identity(actor: Actor) -> dict[str, Any]:
    found = {
        "type": _TYPES.get(actor.kind, "Unknown"),
        "principalId": actor.id,
        "arn": actor.arn,
        "accountId": actor.account or None,
        "accessKeyId": actor.access_key_id or None,
        "userName": actor.name if actor.kind == "user" else None,
        "sessionContext": _session(actor),
    }
    return {name: value for name, value in found.items() if value}


def _session(actor: Actor) -> dict[str, Any] | None:
    if not actor.role:
        return None
    issuer = {
        "type": "Role",
        "principalId": actor.id.partition(":")[0],
        "arn": actor.role,
        "accountId": actor.account,
        "userName": actor.role.rpartition("/")[2],
    }
    return {"sessionIssuer": issuer}


def _more(record: Record) -> dict[str, Any]:
    """Return what CloudTrail's form has no place for: that a request was refused, and by what."""
    found: dict[str, Any] = {}
    if record.is_refused:
        found["refused"] = True
    if record.deciding:
        found |= {"decidingPolicy": record.deciding, "explicitDeny": record.is_explicit}
    if record.omitted:
        found["refusalsOmittedBefore"] = record.omitted
    return found
