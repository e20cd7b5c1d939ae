"""IAM Access Analyzer: the validation of policies."""

from collections.abc import Mapping
from typing import Any

from lowcloud.api.aws.access.permissions import on_any
from lowcloud.api.aws.access.policy_checks.documents import check
from lowcloud.api.aws.access.policy_checks.findings import Finding
from lowcloud.api.aws.errors import AwsError, ErrorCodes, register_errors
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.pages import page_of
from lowcloud.core.context import Context
from lowcloud.core.errors import ForbiddenError, InvalidError
from lowcloud.core.identity.callers import Caller
from lowcloud.core.policies import documents
from lowcloud.core.policies.positions import Path, Position, Positions, Span, position_of

MAX_POLICY_CHARACTERS = 131_072
DEFAULT_PAGE_SIZE = 100
_REFERENCE = "https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html"
_ELEMENTS = {"IDENTITY_POLICY": documents.IDENTITY, "RESOURCE_POLICY": documents.RESOURCE}

register_errors(
    "accessanalyzer",
    ErrorCodes({InvalidError: ("ValidationException", 400), ForbiddenError: ("AccessDeniedException", 403)}),
)


@operation(
    "accessanalyzer",
    "ValidatePolicy",
    on_any(),
    refused=("policyType=SERVICE_CONTROL_POLICY", "policyType=RESOURCE_CONTROL_POLICY"),
    ignored=("locale",),  # findings are in English
)
def validate_policy(context: Context, caller: Caller, request: Request) -> Answer:
    """Findings need what is known of the services that Lowcloud has; of others only that they exist."""
    text = request["policyDocument"]
    if len(text) > MAX_POLICY_CHARACTERS:
        raise AwsError("ValidationException", f"A policy has at most {MAX_POLICY_CHARACTERS} characters.")
    elements = _ELEMENTS[request["policyType"]]
    if request.get("validatePolicyResourceType") == "AWS::IAM::AssumeRolePolicyDocument":
        elements = documents.TRUST
    found = check(text, elements)
    page, token = page_of(found, request.get("nextToken"), max(1, request.get("maxResults", DEFAULT_PAGE_SIZE)))
    positions = Positions(text) if any(finding.offset is None for finding in page) else None
    return {"findings": [_describe(finding, text, positions) for finding in page], "nextToken": token}


def _describe(finding: Finding, text: str, positions: Positions | None) -> Mapping[str, Any]:
    anchor = f"{finding.type}-{finding.code}".lower().replace("_", "-")
    if positions is None or finding.offset is not None:
        place = position_of(text, finding.offset or 0)
        locations = [_location((), Span(place, place))]
    else:
        locations = [_location(path, positions.of(path)) for path in finding.paths]
    return {
        "findingDetails": finding.details,
        "findingType": finding.type,
        "issueCode": finding.code,
        "learnMoreLink": f"{_REFERENCE}#access-analyzer-reference-policy-checks-{anchor}",
        "locations": locations,
    }


def _location(path: Path, span: Span) -> Mapping[str, Any]:
    elements = [{"index": one} if isinstance(one, int) else {"value": one} for one in path]
    return {"path": elements, "span": {"start": _position(span.start), "end": _position(span.end)}}


def _position(place: Position) -> Mapping[str, int]:
    return {"line": place.line, "column": place.column, "offset": place.offset}
