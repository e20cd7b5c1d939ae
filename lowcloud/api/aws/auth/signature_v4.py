"""Signature Version 4: parsing and verification of a request's signature.

Source: AWS General Reference, "Signing AWS API requests". S3 signs the path as sent; all other services sign
the normalised path, encoded once more.
"""

import hmac
import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from urllib.parse import quote, unquote

from lowcloud.api.aws.auth.signature_errors import ALGORITHM, SignatureError, SignatureFault, unsupported_version
from lowcloud.api.http.messages import HttpRequest

SKEW_SECONDS = 15 * 60
MAX_PRESIGNED_SECONDS = 7 * 24 * 3600
EMPTY_SHA256 = sha256(b"").hexdigest()
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"

# Covered by the string to sign anyway, or (the token) bound to the signing key.
_IMPLICITLY_SIGNED = frozenset(("x-amz-content-sha256", "x-amz-date", "x-amz-security-token"))
_PRESIGNED = ("X-Amz-Algorithm", "X-Amz-Signature")  # parameters of a presigned URL
_PRESIGNED_V2 = ("AWSAccessKeyId", "Signature")
_FIELDS = ["Credential", "SignedHeaders", "Signature"]  # of the Authorization header
_UNRESERVED = re.compile(r"[A-Za-z0-9._~%/-]*")
_NAME = re.compile(r"[\w.-]{1,128}", re.ASCII)
_SPACES = re.compile(r" +")
_DATE = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z")
_HTTP_DATES = ("%a, %d %b %Y %H:%M:%S GMT", "%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class SignatureClaim:
    """The credential, scope and signature in a request, not verified yet."""

    access_key_id: str
    date: str  # YYYYMMDD of the credential scope
    region: str
    service: str
    timestamp: str  # YYYYMMDDTHHMMSSZ
    signed_at: float  # the same in seconds since the epoch
    signed_headers: tuple[str, ...]
    signature: str
    session_token: str | None
    expires_seconds: int | None  # set for a presigned URL

    @property
    def is_presigned(self) -> bool:
        return self.expires_seconds is not None

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


def read_claim(request: HttpRequest) -> SignatureClaim | None:
    """Parse the signature in the Authorization header or in the query. Returns None for an unsigned request.

    Raises SignatureError (malformed, unsupported version).
    """
    authorization = request.headers.get("authorization")
    names = {part.partition("=")[0] for part in request.query.split("&")} if request.query else frozenset()
    is_presigned, is_of_version_2 = not names.isdisjoint(_PRESIGNED), not names.isdisjoint(_PRESIGNED_V2)
    if [authorization is not None, is_presigned, is_of_version_2].count(True) > 1:
        raise SignatureError(
            SignatureFault.SEVERAL,
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string "
            "parameter or the Authorization header should be specified",
        )
    if authorization is not None:
        return _parse_header(request, authorization)
    if is_presigned:
        try:
            return _parse_query(request)
        except SignatureError as error:
            raise SignatureError(SignatureFault.MALFORMED_QUERY, error.message) from error
    return None


def verify(request: HttpRequest, claim: SignatureClaim, secret: str, payload_hash: str, now: float) -> None:
    """Verify time, signed headers and signature. Raises SignatureError."""
    check_head(request, claim, now)
    expected = sign(string_to_sign(claim, canonical_request(request, claim, payload_hash)), claim, secret)
    if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
        raise SignatureError(
            SignatureFault.MISMATCH,
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method.",
        )


def check_head(request: HttpRequest, claim: SignatureClaim, now: float) -> None:
    """Verify what needs no body: the time and which headers are signed. Raises SignatureError."""
    check_time(claim, now)
    _check_signed_headers(request, claim)


def check_time(claim: SignatureClaim, now: float) -> None:
    """Verify that the request was signed recently, or that a presigned URL is valid now. Raises SignatureError."""
    if claim.expires_seconds is None:
        if abs(now - claim.signed_at) > SKEW_SECONDS:
            raise SignatureError(
                SignatureFault.SKEWED,
                f"The difference between the request time ({claim.timestamp}) and the server's time "
                f"({datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}) is more than {SKEW_SECONDS // 60} minutes.",
            )
    elif claim.signed_at - now > SKEW_SECONDS:
        raise SignatureError(SignatureFault.EXPIRED_URL, "Request is not yet valid")
    elif now > claim.signed_at + claim.expires_seconds:
        raise SignatureError(SignatureFault.EXPIRED_URL, "Request has expired")


def canonical_request(request: HttpRequest, claim: SignatureClaim, payload_hash: str) -> str:
    """Return the canonical request."""
    headers = request.headers
    lines = [
        request.method,
        canonical_path(request.path, claim.service),
        canonical_query(request.query),
        *[f"{name}:{_SPACES.sub(' ', headers.get(name, '').strip())}" for name in claim.signed_headers],
        "",
        ";".join(claim.signed_headers),
        payload_hash,
    ]
    return "\n".join(lines)


def canonical_path(path: str, service: str) -> str:
    """Return the canonical URI: S3 keeps every segment, other services remove '.', '..' and double slashes."""
    if service == "s3":
        return (path if _UNRESERVED.fullmatch(path) else quote(path, safe="/~%-_.")) or "/"
    if "//" in path or "/." in path:
        normalised = "/" + posixpath.normpath(path).lstrip("/")
        path = normalised + "/" if path.endswith("/") and normalised != "/" else normalised
    return quote(path, safe="/~-_.") or "/"


def canonical_query(query: str) -> str:
    """Return the canonical query string: encoded uniformly and sorted, without the signature itself."""
    if not query:
        return ""
    pairs = []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if part and name != "X-Amz-Signature":
            pairs.append((_encode(name), _encode(value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def string_to_sign(claim: SignatureClaim, canonical: str) -> str:
    """Return the string to sign."""
    return f"{ALGORITHM}\n{claim.timestamp}\n{claim.scope}\n{sha256(canonical.encode()).hexdigest()}"


def sign(text: str, claim: SignatureClaim, secret: str) -> str:
    """Return the signature of a text with the key of the claim's scope, in hexadecimal."""
    signer = _signer(secret, claim.date, claim.region, claim.service).copy()
    signer.update(text.encode())
    return signer.hexdigest()


def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """Derive the signing key of one day, region and service."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


@lru_cache(maxsize=1024)
def _signer(secret: str, date: str, region: str, service: str) -> hmac.HMAC:
    """Return an HMAC with that key, to be copied. Unlike hmac.digest, it does not release the GIL for a short text."""
    return hmac.new(signing_key(secret, date, region, service), digestmod="sha256")


def _parse_header(request: HttpRequest, authorization: str) -> SignatureClaim:
    scheme, _, rest = authorization.strip().partition(" ")
    if scheme == "AWS":
        raise unsupported_version()
    if scheme != ALGORITHM:
        raise SignatureError(
            SignatureFault.MALFORMED, f"Unsupported Authorization type {scheme[:40]!r}; use {ALGORITHM}."
        )
    pairs = [part.strip().partition("=")[::2] for part in rest.split(",")]
    fields = dict(pairs)
    missing = [name for name in _FIELDS if not fields.get(name)]
    if missing:
        raise SignatureError(SignatureFault.MALFORMED, f"Authorization header requires '{missing[0]}' parameter.")
    if len(pairs) > len(_FIELDS):  # a second header is joined to the first by a comma
        raise SignatureError(
            SignatureFault.MALFORMED, "The request needs one Authorization header, with each parameter once."
        )
    timestamp = _header_timestamp(request)
    return _to_claim(
        fields["Credential"],
        timestamp,
        fields["SignedHeaders"],
        fields["Signature"],
        request.headers.get("x-amz-security-token"),
        None,
    )


def _parse_query(request: HttpRequest) -> SignatureClaim:
    fields = {}
    for part in request.query.split("&"):
        name, _, value = part.partition("=")
        if name.startswith("X-Amz-"):
            fields[name] = unquote(value)
    required = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature")
    missing = [name for name in required if not fields.get(name)]
    if missing:
        raise SignatureError(SignatureFault.MALFORMED, f"A presigned URL needs the parameter {missing[0]}.")
    if fields["X-Amz-Algorithm"] != ALGORITHM:
        raise SignatureError(SignatureFault.MALFORMED, f"X-Amz-Algorithm only supports {ALGORITHM}.")
    return _to_claim(
        fields["X-Amz-Credential"],
        fields["X-Amz-Date"],
        fields["X-Amz-SignedHeaders"],
        fields["X-Amz-Signature"],
        fields.get("X-Amz-Security-Token"),
        _expires(fields.get("X-Amz-Expires", "")),
    )


def _to_claim(
    credential: str, timestamp: str, headers: str, signature: str, token: str | None, expires: int | None
) -> SignatureClaim:
    access_key_id, date, region, service = _parse_credential(credential)
    signed_at = _seconds(timestamp)
    if timestamp[:8] != date:
        raise SignatureError(
            SignatureFault.MALFORMED, f"Date in Credential scope ({date[:16]}) does not match {timestamp}."
        )
    names = tuple(headers.split(";"))
    if "host" not in names:
        raise SignatureError(SignatureFault.MALFORMED, "SignedHeaders must contain 'host'.")
    return SignatureClaim(
        access_key_id=access_key_id,
        date=date,
        region=region,
        service=service,
        timestamp=timestamp,
        signed_at=signed_at,
        signed_headers=names,
        signature=signature,
        session_token=token,
        expires_seconds=expires,
    )


@lru_cache(maxsize=1024)
def _parse_credential(credential: str) -> tuple[str, ...]:
    parts = credential.split("/")
    if len(parts) != 5 or parts[4] != "aws4_request" or not all(map(_NAME.fullmatch, parts)):
        raise SignatureError(
            SignatureFault.MALFORMED,
            f"Credential must have the form KEY/YYYYMMDD/REGION/SERVICE/aws4_request, got {credential[:128]!r}.",
        )
    return tuple(parts[:4])


def _header_timestamp(request: HttpRequest) -> str:
    date = request.headers.get("x-amz-date") or request.headers.get("date", "")
    if _DATE.fullmatch(date):
        return date
    for date_format in _HTTP_DATES:
        try:
            return datetime.strptime(date, date_format).strftime("%Y%m%dT%H%M%SZ")
        except ValueError:
            continue
    raise SignatureError(
        SignatureFault.MALFORMED, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
    )


def _expires(text: str) -> int:
    seconds = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
    if not 1 <= seconds <= MAX_PRESIGNED_SECONDS:
        raise SignatureError(
            SignatureFault.MALFORMED,
            f"X-Amz-Expires must be a number of seconds from 1 to {MAX_PRESIGNED_SECONDS}.",
        )
    return seconds


@lru_cache(maxsize=64)
def _seconds(timestamp: str) -> float:
    """Convert YYYYMMDDTHHMMSSZ to seconds since the epoch."""
    match = _DATE.fullmatch(timestamp)
    try:
        if match is not None:
            return datetime(*map(int, match.groups()), tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]
    except ValueError:
        pass  # e.g. month 13
    raise SignatureError(SignatureFault.MALFORMED, "The request needs X-Amz-Date in the form YYYYMMDDTHHMMSSZ.")


def _check_signed_headers(request: HttpRequest, claim: SignatureClaim) -> None:
    """Raise SignatureError if an x-amz-* header is not signed."""
    unsigned = [name for name in _must_be_signed(request.headers) if name not in claim.signed_headers]
    if unsigned:
        raise SignatureError(
            SignatureFault.UNSIGNED_HEADERS,
            f"There were headers present in the request which were not signed: {unsigned[0]}",
        )


def _must_be_signed(names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith("x-amz-") and name not in _IMPLICITLY_SIGNED]


def _encode(text: str) -> str:
    return text if "/" not in text and _UNRESERVED.fullmatch(text) else quote(text, safe="~%-_.")
