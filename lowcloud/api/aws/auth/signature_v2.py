"""Signature Version 2 of S3's presigned URLs and forms, which some SDKs still use by default.

Only these, which have an expiry time; a request with the header "Authorization: AWS ..." is refused.
Source: Amazon S3 User Guide, "Signing and authenticating REST requests".
"""

import hmac
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace

from lowcloud.api.aws.auth.presigned_headers import with_presigned_headers
from lowcloud.api.aws.auth.signature_errors import SignatureError, SignatureFault
from lowcloud.api.aws.auth.signature_v4 import MAX_PRESIGNED_SECONDS, SKEW_SECONDS
from lowcloud.api.http.messages import HttpRequest
from lowcloud.api.http.urls import query_pairs

_PARAMETERS = ("AWSAccessKeyId", "Signature", "Expires")
# The parameters that are signed as such; x-amz-* parameters are signed as headers, all others are not signed.
_SIGNED = frozenset(
    (
        *("accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory", "lifecycle", "location"),
        *("logging", "metrics", "notification", "object-lock", "partNumber", "policy", "replication", "requestPayment"),
        *("restore", "select", "select-type", "storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId"),
        *("versioning", "versions", "website", "response-cache-control", "response-content-disposition"),
        *("response-content-encoding", "response-content-language", "response-content-type", "response-expires"),
    )
)
_LISTING_VERSION = "list-type"  # selects ListObjectsV2 over ListObjects, which reveals nothing more


@dataclass(frozen=True, slots=True)
class SignatureV2Claim:
    """The access key and the signature in a URL, not verified yet."""

    access_key_id: str
    session_token: str | None
    signature: str
    expires_at: int  # seconds since the epoch
    request: HttpRequest  # with parameters of the URL as headers

    def verify(self, bucket: str, secret: str, now: float) -> None:
        """Verify time and signature; `bucket` is that of the host name, or "". Raises SignatureError."""
        if now > self.expires_at:
            raise SignatureError(SignatureFault.EXPIRED_URL, "Request has expired")
        if self.expires_at - now > MAX_PRESIGNED_SECONDS + SKEW_SECONDS:
            message = f"Expires must be at most {MAX_PRESIGNED_SECONDS} seconds in the future."
            raise SignatureError(SignatureFault.MALFORMED_QUERY, message)
        check_signature(string_to_sign(self.request, self.expires_at, bucket), secret, self.signature)


def is_signed(request: HttpRequest) -> bool:
    """Return whether a request has a signature of Version 2 in its query."""
    return "AWSAccessKeyId=" in request.query and "Signature=" in request.query


def read_claim(request: HttpRequest) -> SignatureV2Claim:
    """Parse the signature in the query. Raises SignatureError, MalformedUrlError, AwsError."""
    fields = {name: value for name, value in query_pairs(request.query) if name in _PARAMETERS}
    missing = [name for name in _PARAMETERS if not fields.get(name)]
    if missing:
        message = (
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters; "
            f"{missing[0]} is missing."
        )
        raise SignatureError(SignatureFault.MISSING, message)
    expires = fields["Expires"]
    if not (expires.isascii() and expires.isdecimal() and len(expires) < 16):
        raise SignatureError(
            SignatureFault.EXPIRED_URL, f"Invalid date (should be seconds since epoch): {expires[:32]}"
        )
    full = with_presigned_headers(request, include=("content-md5", "content-type"), excluded_prefixes=())
    token = full.headers.get("x-amz-security-token")
    return SignatureV2Claim(fields["AWSAccessKeyId"], token, fields["Signature"], int(expires), full)


def string_to_sign(request: HttpRequest, expires_at: int, bucket: str) -> str:
    """Return the string to sign."""
    headers = request.headers
    amazon_headers = sorted(name for name in headers if name.startswith("x-amz-"))
    parameters = sorted((name, part, value) for part, name, value in _parts(request.query) if name in _SIGNED)
    subresources = "&".join(f"{name}={value}" if "=" in part else name for name, part, value in parameters)
    lines = [
        request.method,
        headers.get("content-md5", "").strip(),
        headers.get("content-type", "").strip(),
        str(expires_at),
        *[f"{name}:{headers[name].strip()}" for name in amazon_headers],
        _resource(bucket, request.path) + (f"?{subresources}" if subresources else ""),
    ]
    return "\n".join(lines)


def check_signature(text: str, secret: str, signature: str) -> None:
    """Raise SignatureError if this is not the signature of the text."""
    expected = b64encode(hmac.digest(secret.encode(), text.encode(), "sha1"))
    if not hmac.compare_digest(expected, signature.encode()):
        raise SignatureError(
            SignatureFault.MISMATCH,
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method.",
        )


def without_unsigned(request: HttpRequest) -> HttpRequest:
    """Return the request with its signed parameters only; it must mean the same operation as with all of them."""
    kept = [part for part, name, _ in _parts(request.query) if name in _SIGNED or name == _LISTING_VERSION]
    return replace(request, query="&".join(kept))


def _resource(bucket: str, path: str) -> str:
    """Return the path with the bucket; a bucket alone ends in a slash, as in virtual-host style."""
    path_style = f"/{bucket}{path}" if bucket else path
    return path_style if "/" in path_style[1:] or path_style == "/" else f"{path_style}/"


def _parts(query: str) -> Iterator[tuple[str, str, str]]:
    """Yield each parameter as it was sent, with its decoded name and value."""
    for part in query.split("&"):
        for name, value in query_pairs(part):
            yield part, name, value
