"""What conditions of policies can know of a request's signature; it was verified before.

Source: Amazon S3 API Reference, "Amazon S3 Signature Version 4 authentication specific policy keys".
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

from lowcloud.api.http.messages import HttpRequest
from lowcloud.api.http.urls import MalformedUrlError, query_pairs
from lowcloud.core.policies.requests import Facts, Values

V4, V2 = "AWS4-HMAC-SHA256", "AWS"
_HASH = "x-amz-content-sha256"


def of(http: HttpRequest, now: float) -> Facts:
    """Return the values of S3's condition keys about the signature of a request; `now` in seconds since the epoch."""
    authorization = http.headers.get("authorization", "")
    if authorization:
        version = V4 if authorization.startswith(V4) else V2
        return _facts("REST-HEADER", version, http.headers.get("x-amz-date", ""), http.headers.get(_HASH), now)
    signed = _signed_query(http.query)
    if "x-amz-signature" in signed:
        payload = signed.get(_HASH, "UNSIGNED-PAYLOAD")
        return _facts("REST-QUERY-STRING", V4, signed.get("x-amz-date", ""), payload, now)
    if "signature" in signed:
        return _facts("REST-QUERY-STRING", V2, "", None, now)
    if http.method == "POST" and http.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return {"s3:authtype": ("POST",)}
    return {}


def _facts(kind: str, version: str, date: str, payload: str | None, now: float) -> Facts:
    facts: dict[str, Values] = {"s3:authtype": (kind,), "s3:signatureversion": (version,)}
    if payload is not None:
        facts[f"s3:{_HASH}"] = (payload,)
    with suppress(ValueError):  # in the other form that a header may have, or none
        signed_at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        facts["s3:signatureage"] = (str(max(0, int((now - signed_at) * 1000))),)
    return facts


def _signed_query(query: str) -> Mapping[str, str]:
    """Return the parameters of a presigned URL by name in lower case."""
    if "ignature=" not in query:
        return {}
    with suppress(MalformedUrlError):
        return {name.lower(): value for name, value in query_pairs(query)}
    return {}
