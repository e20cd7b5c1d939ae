"""The payloads of requests to S3: opened as readers that check length, hash and chunk signatures to the last byte."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256

from lowcloud.api.aws.auth.chunked_bodies import ChunkSigner, decode_chunks
from lowcloud.api.aws.auth.signature_v4 import UNSIGNED_PAYLOAD, SignatureClaim
from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.protocol.routing import Target
from lowcloud.api.aws.request_bodies import RequestBody
from lowcloud.api.aws.services.s3.front.document_digests import check_document
from lowcloud.api.aws.services.s3.translation.errors import entity_too_large
from lowcloud.api.http.incoming import IncomingBody
from lowcloud.api.http.messages import HttpRequest
from lowcloud.core.storage.objects.bodies import MAX_BODY_BYTES

SMALL_BYTES = 1 << 20  # bodies up to this size are read before the operation starts
MAX_FRAMING_BYTES = 1 << 30  # overhead of an aws-chunked body

STREAMING = {
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": (True, False),  # (chunks are signed, trailers follow)
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": (True, True),
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER": (False, True),
}
_SHA256 = re.compile(r"[0-9a-f]{64}")


async def read_payload(
    target: Target,
    request: HttpRequest,
    incoming: IncomingBody,
    payload_hash: str,
    claim: SignatureClaim | None = None,
    secret: str = "",
) -> bytes | RequestBody:
    """Return a reader for a streamed payload (a small one is in memory already), or the bytes of a document.

    Raises AwsError and RequestBodyError.
    """
    if not target.operation.has_streaming_input:
        document = open_body(request.headers, iter([await incoming.read_all()]), payload_hash, claim, secret)
        content = document.read()
        check_document(target.operation, request.headers, document.trailers, content)
        return content
    length = request.headers.get("content-length")
    if length is None and "transfer-encoding" not in request.headers:
        raise AwsError("MissingContentLength", "You must provide the Content-Length HTTP header.", 411)
    size = int(length) if length is not None and length.isdecimal() and len(length) < 19 else None
    if size is not None and size > MAX_BODY_BYTES + MAX_FRAMING_BYTES:
        raise entity_too_large(size, MAX_BODY_BYTES)
    if size is not None and size <= SMALL_BYTES and not incoming.awaits_continue:
        return open_body(request.headers, iter([await incoming.read_all()]), payload_hash, claim, secret)
    pieces = incoming.blocking_pieces(asyncio.get_running_loop())
    body = open_body(request.headers, pieces, payload_hash, claim, secret)
    body.is_incoming = True
    return body


def declared_hash(headers: Mapping[str, str], claim: SignatureClaim | None) -> str:
    """Return the payload hash that the client declares, and signs if the request is signed. Raises AwsError."""
    declared = headers.get("x-amz-content-sha256")
    if claim is None:
        if STREAMING.get(declared or "", (False, False))[0]:
            raise AwsError("InvalidRequest", "An unsigned request cannot have signed chunks.")
        declared = declared or UNSIGNED_PAYLOAD
    elif claim.is_presigned and (declared is None or "x-amz-content-sha256" not in claim.signed_headers):
        return UNSIGNED_PAYLOAD
    if declared is None:
        raise AwsError("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    if declared != UNSIGNED_PAYLOAD and declared not in STREAMING and not _SHA256.fullmatch(declared):
        raise AwsError(
            "InvalidArgument",
            f"x-amz-content-sha256 must be {UNSIGNED_PAYLOAD}, {', '.join(STREAMING)}, or a valid sha256 value.",
        )
    return declared


def open_body(
    headers: Mapping[str, str], pieces: Iterator[bytes], payload_hash: str, claim: SignatureClaim | None, secret: str
) -> RequestBody:
    """Return a reader that checks the payload while it is read. Raises AwsError for a malformed length."""
    if payload_hash not in STREAMING:
        length = _length(headers, "content-length")
        return RequestBody(_checked(pieces, length, payload_hash), length)
    is_signed, has_trailers = STREAMING[payload_hash]
    length = _length(headers, "x-amz-decoded-content-length")
    if length is None:
        raise AwsError("MissingContentLength", "You must provide the x-amz-decoded-content-length HTTP header.", 411)
    trailers: dict[str, str] = {}
    announced = _names(headers.get("x-amz-trailer", "")) if has_trailers else frozenset()
    decoded = decode_chunks(
        pieces, ChunkSigner(claim, secret) if is_signed and claim is not None else None, announced, trailers
    )
    return RequestBody(_checked(decoded, length, UNSIGNED_PAYLOAD), length, trailers, announced)


def _checked(pieces: Iterator[bytes], length: int | None, payload_hash: str) -> Iterator[bytes]:
    """Yield the pieces; raise AwsError at the end if their length or hash differs."""
    hasher = None if payload_hash == UNSIGNED_PAYLOAD else sha256()
    count = 0
    for piece in pieces:
        count += len(piece)
        if hasher is not None:
            hasher.update(piece)
        yield piece
    if length is not None and count != length:
        raise AwsError(
            "IncompleteBody",
            f"You did not provide the number of bytes specified by the Content-Length header: {count}, not {length}.",
        )
    if hasher is not None and hasher.hexdigest() != payload_hash:
        raise AwsError(
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
            fields={"ClientComputedContentSHA256": payload_hash, "S3ComputedContentSHA256": hasher.hexdigest()},
        )


def _length(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise AwsError("InvalidArgument", f"{name} must be a number of bytes, not {text[:32]!r}.")
    return int(text)


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in text.split(",") if name.strip())
