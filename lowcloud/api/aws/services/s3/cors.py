"""Cross-origin requests: a browser's preflight answered by a bucket's rules, and the headers that let a page read.

Source: Fetch Standard, "CORS protocol"; Amazon S3 User Guide, "Using cross-origin resource sharing (CORS)".
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.http import HttpRequest, HttpResponse
from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.core.patterns import matches
from lowcloud.core.storage.buckets import configurations

KIND = "cors"
METHODS = ("GET", "PUT", "HEAD", "POST", "DELETE")
_VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"

Rule = Mapping[str, Any]


def preflight(context: Context, request: HttpRequest, bucket: str, key: str) -> HttpResponse:
    """The answer to OPTIONS. Raises AwsError where the bucket's rules do not let the real request come."""
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
    wanted = [name.strip().lower() for name in headers.get("access-control-request-headers", "").split(",")]
    wanted = [name for name in wanted if name]
    rule = _find(rules, origin, method, wanted)
    if rule is None:
        sentence = (
            "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request "
            "method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the "
            "resource's CORS spec."
        )
        raise AwsError("AccessForbidden", sentence, 403, fields)
    allowed = {"access-control-allow-headers": ", ".join(wanted)} if wanted else {}
    return HttpResponse(200, {**_allowed(rule, origin), **allowed, "content-length": "0"})


def answer_headers(context: Context, request: HttpRequest, bucket: str) -> dict[str, str]:
    """What lets the page of the request's Origin read the answer; nothing where no rule does."""
    origin = request.headers["origin"]
    try:
        rule = _find(_rules(context, bucket), origin, request.method, [])
    except NotFoundError:
        return {}
    return {} if rule is None else _allowed(rule, origin)


def _rules(context: Context, bucket: str) -> Sequence[Rule]:
    kept = configurations.get(context, bucket, KIND)
    return () if kept is None else kept["CORSRules"]


def _find(rules: Sequence[Rule], origin: str, method: str, headers: Sequence[str]) -> Rule | None:
    """The first rule that allows all of it."""
    for rule in rules:
        if method not in rule["AllowedMethods"] or not _is_among(origin, rule["AllowedOrigins"]):
            continue
        allowed = [pattern.lower() for pattern in rule.get("AllowedHeaders", ())]
        if all(_is_among(name, allowed) for name in headers):
            return rule
    return None


def _is_among(text: str, patterns: Sequence[str]) -> bool:
    return any(matches(pattern, text) for pattern in patterns)


def _allowed(rule: Rule, origin: str) -> dict[str, str]:
    """The headers that a rule gives to pages of an origin; "*" stands for all where the rule says just that."""
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
