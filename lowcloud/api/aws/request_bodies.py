"""Request bodies: read from the connection at the pace of who uses them, checked as they pass.

An operation with a streamed payload gets a `RequestBody` and reads it from its worker thread. What `read` has given is
only to be trusted once it has given b"": hash, chunk signatures and length are checked to the very end, and a failed
check raises.
"""

import asyncio
import re
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from hashlib import sha256
from typing import Any

from lowcloud.api.aws.auth.chunked_bodies import ChunkSigner, decode_chunks
from lowcloud.api.aws.auth.signature import UNSIGNED_PAYLOAD, SignatureClaim
from lowcloud.api.aws.errors import AwsError

Receive = Callable[[], Awaitable[Mapping[str, Any]]]

SMALL_BYTES = 1 << 20  # bodies up to here are read before the operation starts
GATHER_BYTES = 512 << 10  # taken from the connection at a time while an operation reads on
LARGEST_BUFFERED_BYTES = 64 << 20  # of any body that is not streamed
IDLE_SECONDS = 60
DRAIN_SECONDS = 5

STREAMING = {
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD": (True, False),  # (chunks are signed, trailers follow)
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": (True, True),
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER": (False, True),
}
_SHA256 = re.compile(r"[0-9a-f]{64}")


class RequestBody:
    """A blocking reader of a request's payload."""

    def __init__(
        self,
        pieces: Iterable[bytes],
        length: int | None,
        trailers: Mapping[str, str] | None = None,
        announced: frozenset[str] = frozenset(),
    ):
        self._pieces = iter(pieces)
        self._rest = b""
        self.length = length  # bytes of the payload, where the client has said
        self.trailers: Mapping[str, str] = trailers if trailers is not None else {}  # complete after the last byte
        self.announced = announced  # the names of the trailers to come, in lower case
        self.is_incoming = False  # it is still to be sent, at the pace of a client who may wait to be asked for it
        self.is_of_form = False  # a browser's, which has a field for each header of a put

    def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, fewer only at the end; all that is left where size is negative.

        Raises AwsError where the body is not what was announced and signed, or the client has gone.
        """
        taken = [self._rest]
        held = len(self._rest)
        while size < 0 or held < size:
            piece = next(self._pieces, b"")
            if not piece:
                break
            taken.append(piece)
            held += len(piece)
        whole = taken[0] if len(taken) == 1 else b"".join(taken)
        if 0 <= size < held:
            self._rest = whole[size:]
            return whole[:size]
        self._rest = b""
        return whole

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read(GATHER_BYTES):
            yield piece


class Incoming:
    """What is left of a request's body on its connection."""

    def __init__(self, receive: Receive, headers: Mapping[str, str]):
        self._receive = receive
        self.is_awaited = headers.get("expect", "").lower() == "100-continue"  # nothing comes before we ask for it
        is_empty = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
        # botocore expects a word before an answer even where there is nothing to send, and misreads the one that
        # follows on the connection where it gets none (botocore issue 3755). S3 sends it.
        self.is_over = is_empty and not self.is_awaited

    async def piece(self) -> bytes:
        """The next bytes, b"" at the end. Raises AwsError where none come in time or the client has gone."""
        self.is_awaited = False
        while not self.is_over:
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    message = await self._receive()
            except TimeoutError as error:
                raise AwsError("RequestTimeout", f"No data came for {IDLE_SECONDS} seconds.") from error
            if message["type"] == "http.disconnect":
                raise AwsError("IncompleteBody", "The client went away before the end of its request.")
            self.is_over = not message.get("more_body", False)
            if message.get("body"):
                return bytes(message["body"])
        return b""

    async def drain(self) -> None:
        """Take in the rest of a body that is not wanted: a connection closed on unread data loses the answer too."""
        if self.is_awaited:
            return
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while await self.piece():
                    pass
        except (TimeoutError, AwsError):
            return  # the client has its answer, or has gone

    async def departure(self) -> None:
        """Return when the client has gone; only once the body has been read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def gather(self, size: int) -> bytes:
        """About `size` bytes, fewer only at the end."""
        pieces, held = [], 0
        while held < size and (piece := await self.piece()):
            pieces.append(piece)
            held += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def whole(self, limit: int = LARGEST_BUFFERED_BYTES) -> bytes:
        """All of it. Raises AwsError where it is larger than the limit."""
        body = await self.gather(limit + 1)
        if len(body) > limit:
            raise AwsError("RequestEntityTooLarge", f"The request's body is larger than {limit} bytes.", 413)
        return body

    def pieces(self, loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
        """The rest, for a thread that is not the loop's."""
        while True:
            future = asyncio.run_coroutine_threadsafe(self.gather(GATHER_BYTES), loop)
            try:
                piece = future.result()
            except CancelledError as error:
                raise AwsError("IncompleteBody", "The server is stopping.", 503) from error
            if not piece:
                return
            yield piece


def declared_hash(headers: Mapping[str, str], claim: SignatureClaim | None) -> str:
    """What S3's client says, and has signed where it signs at all, as the hash of its payload. Raises AwsError."""
    declared = headers.get("x-amz-content-sha256")
    if claim is None:
        if STREAMING.get(declared or "", (False, False))[0]:
            raise AwsError("InvalidRequest", "The chunks of a request that is not signed cannot be signed.")
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
    """A reader that checks what passes against what was signed. Raises AwsError for lengths that are no numbers."""
    if payload_hash not in STREAMING:
        length = _length(headers, "content-length")
        return RequestBody(_checked(pieces, length, payload_hash), length)
    signed, trailing = STREAMING[payload_hash]
    length = _length(headers, "x-amz-decoded-content-length")
    if length is None:
        raise AwsError("MissingContentLength", "You must provide the x-amz-decoded-content-length HTTP header.", 411)
    trailers: dict[str, str] = {}
    announced = _names(headers.get("x-amz-trailer", "")) if trailing else frozenset()
    decoded = decode_chunks(
        pieces, ChunkSigner(claim, secret) if signed and claim is not None else None, announced, trailers
    )
    return RequestBody(_checked(decoded, length, UNSIGNED_PAYLOAD), length, trailers, announced)


def inflate(body: bytes, limit: int = LARGEST_BUFFERED_BYTES) -> bytes:
    """What a gzip-encoded body holds. Raises AwsError where it is not gzip or larger than the limit."""
    machine = zlib.decompressobj(wbits=31)
    try:
        plain = machine.decompress(body, limit + 1)
    except zlib.error as error:
        raise AwsError("SerializationException", "The body is not gzip, as its Content-Encoding says.") from error
    if len(plain) > limit:
        raise AwsError("RequestEntityTooLarge", f"The request's body holds more than {limit} bytes.", 413)
    if not machine.eof:
        raise AwsError("SerializationException", "The gzip-encoded request body ends early.")
    return plain


def _checked(pieces: Iterator[bytes], length: int | None, payload_hash: str) -> Iterator[bytes]:
    """The same pieces; raises at the end where their length or hash is another."""
    hasher = None if payload_hash == UNSIGNED_PAYLOAD else sha256()
    passed = 0
    for piece in pieces:
        passed += len(piece)
        if hasher is not None:
            hasher.update(piece)
        yield piece
    if length is not None and passed != length:
        raise AwsError(
            "IncompleteBody",
            f"You did not provide the number of bytes specified by the Content-Length header: {passed}, not {length}.",
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
