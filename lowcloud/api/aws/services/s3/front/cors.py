"""Cross-origin requests: the response to a CORS preflight, and the headers that let a page read a response.

Source: Fetch Standard, "CORS protocol"; Amazon S3 User Guide, "Using cross-origin resource sharing (CORS)".
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.http.messages import HttpRequest, HttpResponse
from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.core.patterns import matches
from lowcloud.core.storage.buckets import configurations

KIND = "cors"
METHODS = ("GET", "PUT", "HEAD", "POST", "DELETE")
_VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"

Rule = Mapping[str, Any]


def preflight(context: Context, request: HttpRequest, bucket: str, key: str) -> HttpResponse:
    """Return the response to a preflight. Raises AwsError if the bucket's rules do not allow the request."""
    headers = request.headers
    origin, method = headers.get("origin"), headers.get("access-control-request-method")
    if not origin:
        raise AwsError("BadRequest", "Insufficient information. Origin request header needed.")
    if method not in METHODS:
        raise AwsError("BadRequest", f"Invalid Access-Control-Request-Method: {(method or 'null')[:64]}")
    fields = {"Method": method, "ResourceType": "OBJECT" if key else "BUCKET"}
    try:
        rules = _rules(context, bucket)
    except NotFoundError as error:
        raise AwsError("AccessForbidden", "CORSResponse: Bucket not found", 403, fields) from error
    if not rules:
        raise AwsError("AccessForbidden", "CORSResponse: CORS is not enabled for this bucket.", 403, fields)
    requested = [name.strip().lower() for name in headers.get("access-control-request-headers", "").split(",")]
    requested = [name for name in requested if name]
    rule = _find(rules, origin, method, requested)
    if rule is None:
        message = (
            "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request "
            "method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the "
            "resource's CORS spec."
        )
        raise AwsError("AccessForbidden", message, 403, fields)
    allowed = {"access-control-allow-headers": ", ".join(requested)} if requested else {}
    return HttpResponse(200, {**_allowed(rule, origin), **allowed, "content-length": "0"})


def response_headers(context: Context, request: HttpRequest, bucket: str) -> dict[str, str]:
    """Return the headers that let the page of the request's Origin read the response; none if no rule allows it."""
    origin = request.headers["origin"]
    try:
        rule = _find(_rules(context, bucket), origin, request.method, [])
    except NotFoundError:
        return {}
    return {} if rule is None else _allowed(rule, origin)


def _rules(context: Context, bucket: str) -> Sequence[Rule]:
    configuration = configurations.get(context, bucket, KIND)
    return () if configuration is None else configuration["CORSRules"]


def _find(rules: Sequence[Rule], origin: str, method: str, headers: Sequence[str]) -> Rule | None:
    """Return the first rule that allows origin, method and headers."""
    for rule in rules:
        if method not in rule["AllowedMethods"] or not _matches_any(origin, rule["AllowedOrigins"]):
            continue
        allowed = [pattern.lower() for pattern in rule.get("AllowedHeaders", ())]
        if all(_matches_any(name, allowed) for name in headers):
            return rule
    return None


def _matches_any(text: str, patterns: Sequence[str]) -> bool:
    return any(matches(pattern, text) for pattern in patterns)


def _allowed(rule: Rule, origin: str) -> dict[str, str]:
    """Return the headers by which a rule allows an origin; "*" if the rule has that very origin."""
    is_open = "*" in rule["AllowedOrigins"]
    headers = {
        "access-control-allow-origin": "*" if is_open else origin,
        "access-control-allow-methods": ", ".join(rule["AllowedMethods"]),
        "vary": _VARY,
    }
    if not is_open:
        headers["access-control-allow-credentials"] = "true"
    if rule.get("ExposeHeaders"):
        headers["access-control-expose-headers"] = ", ".join(rule["ExposeHeaders"])
    if "MaxAgeSeconds" in rule:
        headers["access-control-max-age"] = str(rule["MaxAgeSeconds"])
    return headers
