"""aws-chunked bodies: data in chunks, which may be signed, and checksums in trailers.

Source: Amazon S3 API Reference, "Signature calculations for the Authorization header: transferring payload in multiple
chunks", and the same with trailing headers.
"""

import hmac
import re
from collections.abc import Iterator
from hashlib import sha256

from lowcloud.api.aws.auth.signature_v4 import EMPTY_SHA256, SignatureClaim, sign
from lowcloud.api.aws.errors import AwsError

MAX_LINE_BYTES = 8 << 10
MAX_TRAILERS = 16
_SIZE = re.compile(rb"[0-9a-fA-F]{1,16}")


class ChunkSigner:
    """The chain of chunk signatures: each covers the previous one, the first the request's signature."""

    def __init__(self, claim: SignatureClaim, secret: str):
        self._claim = claim
        self._secret = secret
        self._previous = claim.signature

    def check_chunk(self, digest: str, signature: str) -> None:
        """Raise AwsError if this is not the signature of a chunk with this SHA-256."""
        self._check("AWS4-HMAC-SHA256-PAYLOAD", f"{EMPTY_SHA256}\n{digest}", signature)

    def check_trailers(self, trailers: dict[str, str], signature: str) -> None:
        """Raise AwsError if this is not the signature of the trailers."""
        lines = "".join(f"{name}:{value}\n" for name, value in trailers.items())
        self._check("AWS4-HMAC-SHA256-TRAILER", sha256(lines.encode()).hexdigest(), signature)

    def _check(self, algorithm: str, digests: str, signature: str) -> None:
        claim = self._claim
        text = f"{algorithm}\n{claim.timestamp}\n{claim.scope}\n{self._previous}\n{digests}"
        expected = sign(text, claim, self._secret)
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise AwsError("SignatureDoesNotMatch", "The signature of a chunk of the body does not match.", 403)
        self._previous = expected


def decode_chunks(
    pieces: Iterator[bytes], signer: ChunkSigner | None, announced: frozenset[str], trailers: dict[str, str]
) -> Iterator[bytes]:
    """Yield the data of the chunks, and fill `trailers` at the end. Raises AwsError.

    Data of a signed chunk is yielded before its signature is verified, so nothing may be committed before the end.
    """
    source = _ByteReader(pieces)
    while True:
        size, signature = _chunk_head(source.line())
        digest = sha256() if signer is not None else None
        for piece in source.exactly(size):
            if digest is not None:
                digest.update(piece)
            yield piece
        if signer is not None and digest is not None:
            signer.check_chunk(digest.hexdigest(), signature)
        if size == 0:
            break
        if source.line():
            raise _malformed("a chunk is longer than its declared size")
    _read_trailers(source, signer, announced, trailers)


class _ByteReader:
    """Reads raw bytes line by line, or a number of bytes."""

    def __init__(self, pieces: Iterator[bytes]):
        self._pieces = pieces
        self._rest = b""

    def line(self) -> bytes:
        """Return the next line without its line ending; b"" at the end of the body too."""
        while (end := self._rest.find(b"\n")) < 0:
            if len(self._rest) > MAX_LINE_BYTES:
                raise _malformed("a line is too long")
            piece = next(self._pieces, b"")
            if not piece:
                line, self._rest = self._rest, b""
                return line
            self._rest += piece
        line, self._rest = self._rest[:end], self._rest[end + 1 :]
        return line.removesuffix(b"\r")

    def exactly(self, size: int) -> Iterator[bytes]:
        """Yield the next `size` bytes in pieces."""
        while size:
            piece = self._rest or next(self._pieces, b"")
            if not piece:
                raise AwsError("IncompleteBody", "The request body terminated unexpectedly.")
            part, self._rest = piece[:size], piece[size:]
            size -= len(part)
            yield part


def _chunk_head(line: bytes) -> tuple[int, str]:
    """Parse a chunk's size and its signature ("" if it has none)."""
    size, _, extension = line.partition(b";")
    if not _SIZE.fullmatch(size):
        raise _malformed("a chunk does not begin with its size")
    name, _, value = extension.partition(b"=")
    return int(size, 16), value.decode("latin-1").strip() if name.strip() == b"chunk-signature" else ""


def _read_trailers(
    source: _ByteReader, signer: ChunkSigner | None, announced: frozenset[str], trailers: dict[str, str]
) -> None:
    signature = ""
    while line := source.line():
        name, _, value = line.decode("latin-1").partition(":")
        name = name.strip().lower()
        if name == "x-amz-trailer-signature":
            signature = value.strip()
        elif name not in announced or len(trailers) == MAX_TRAILERS:
            raise AwsError("MalformedTrailerError", f"The trailer {name[:64]!r} was not announced by x-amz-trailer.")
        else:
            trailers[name] = value.strip()
    if set(trailers) != set(announced):
        raise AwsError("MalformedTrailerError", "A trailer announced by x-amz-trailer is missing.")
    if signer is not None and trailers:
        signer.check_trailers(trailers, signature)


def _malformed(reason: str) -> AwsError:
    return AwsError("InvalidRequest", f"The aws-chunked body is not well-formed: {reason}.")
