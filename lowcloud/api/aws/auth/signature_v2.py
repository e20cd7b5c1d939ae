"""Signature Version 2 of S3's presigned URLs and forms, which some SDKs still make where nobody tells them not to.

Only these, each of which ends by itself; a request with the header "Authorization: AWS ..." is refused by name.
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

_PROOF = ("AWSAccessKeyId", "Signature", "Expires")
# The parameters that are signed; of the others only the x-amz-* ones are, as the headers that they stand for.
_SIGNED = frozenset(
    (
        *("accelerate", "acl", "analytics", "cors", "defaultObjectAcl", "delete", "inventory", "lifecycle", "location"),
        *("logging", "metrics", "notification", "object-lock", "partNumber", "policy", "replication", "requestPayment"),
        *("restore", "select", "select-type", "storageClass", "tagging", "torrent", "uploadId", "uploads", "versionId"),
        *("versioning", "versions", "website", "response-cache-control", "response-content-disposition"),
        *("response-content-encoding", "response-content-language", "response-content-type", "response-expires"),
    )
)
_OF_A_LISTING = "list-type"  # tells two listings of the same bucket apart: no more is given away


@dataclass(frozen=True, slots=True)
class SignatureV2Claim:
    """Who a URL says it is from, and the signature it gives as proof."""

    access_key_id: str
    session_token: str | None
    signature: str
    expires_at: int  # seconds since the epoch
    request: HttpRequest  # with what stands in the URL for headers

    def verify(self, bucket: str, secret: str, now: float) -> None:
        """Check the time and the signature; `bucket` is that of the host name, or "". Raises SignatureError."""
        if now > self.expires_at:
            raise SignatureError(SignatureFault.EXPIRED_URL, "Request has expired")
        if self.expires_at - now > MAX_PRESIGNED_SECONDS + SKEW_SECONDS:
            sentence = f"Expires must be at most {MAX_PRESIGNED_SECONDS} seconds in the future."
            raise SignatureError(SignatureFault.MALFORMED_QUERY, sentence)
        check_signature(string_to_sign(self.request, self.expires_at, bucket), secret, self.signature)


def is_signed(request: HttpRequest) -> bool:
    """Whether a request without a signature of Version 4 has one of this."""
    return "AWSAccessKeyId=" in request.query and "Signature=" in request.query


def read_claim(request: HttpRequest) -> SignatureV2Claim:
    """The claim in the query. Raises SignatureError, MalformedUrl, and AwsError for what no header can be."""
    fields = {name: value for name, value in query_pairs(request.query) if name in _PROOF}
    missing = [name for name in _PROOF if not fields.get(name)]
    if missing:
        sentence = (
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters; "
            f"{missing[0]} is missing."
        )
        raise SignatureError(SignatureFault.MISSING, sentence)
    expires = fields["Expires"]
    if not (expires.isascii() and expires.isdecimal() and len(expires) < 16):
        raise SignatureError(
            SignatureFault.EXPIRED_URL, f"Invalid date (should be seconds since epoch): {expires[:32]}"
        )
    whole = with_presigned_headers(request, include=("content-md5", "content-type"), excluded_prefixes=())
    token = whole.headers.get("x-amz-security-token")
    return SignatureV2Claim(fields["AWSAccessKeyId"], token, fields["Signature"], int(expires), whole)


def string_to_sign(request: HttpRequest, expires_at: int, bucket: str) -> str:
    """The request in the one form that both sides sign."""
    headers = request.headers
    own = sorted(name for name in headers if name.startswith("x-amz-"))
    parameters = sorted((name, part, value) for part, name, value in _parts(request.query) if name in _SIGNED)
    told = "&".join(f"{name}={value}" if "=" in part else name for name, part, value in parameters)
    lines = [
        request.method,
        headers.get("content-md5", "").strip(),
        headers.get("content-type", "").strip(),
        str(expires_at),
        *[f"{name}:{headers[name].strip()}" for name in own],
        _resource(bucket, request.path) + (f"?{told}" if told else ""),
    ]
    return "\n".join(lines)


def check_signature(text: str, secret: str, signature: str) -> None:
    """Whether this is the signature of a text. Raises SignatureError."""
    expected = b64encode(hmac.digest(secret.encode(), text.encode(), "sha1"))
    if not hmac.compare_digest(expected, signature.encode()):
        raise SignatureError(
            SignatureFault.MISMATCH,
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method.",
        )


def without_unsigned(request: HttpRequest) -> HttpRequest:
    """The request as its signed parameters alone say it: it must ask for the operation that all of them ask for."""
    kept = [part for part, name, _ in _parts(request.query) if name in _SIGNED or name == _OF_A_LISTING]
    return replace(request, query="&".join(kept))


def _resource(bucket: str, path: str) -> str:
    """The path with the bucket; one that is a bucket alone ends in a slash, as it does in virtual-host style."""
    whole = f"/{bucket}{path}" if bucket else path
    return whole if "/" in whole[1:] or whole == "/" else f"{whole}/"


def _parts(query: str) -> Iterator[tuple[str, str, str]]:
    """Each parameter as it was sent, and its name and value as they are read."""
    for part in query.split("&"):
        for name, value in query_pairs(part):
            yield part, name, value
