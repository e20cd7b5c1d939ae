"""Request bodies as operations get them: streamed payloads, and bodies that were sent compressed."""

import zlib
from collections.abc import Iterable, Iterator, Mapping

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.http.incoming import MAX_BUFFERED_BYTES, READ_BYTES


class RequestBody:
    """A blocking reader of a request's payload.

    Hash, chunk signatures and length are checked up to the very end, so what `read` returns may be trusted only once
    it has returned b"".
    """

    def __init__(
        self,
        pieces: Iterable[bytes],
        length: int | None,
        trailers: Mapping[str, str] | None = None,
        announced: frozenset[str] = frozenset(),
    ):
        self._pieces = iter(pieces)
        self._rest = b""
        self.length = length  # bytes of the payload, None where the client has not announced it
        self.trailers: Mapping[str, str] = trailers if trailers is not None else {}  # filled in after the last byte
        self.announced = announced  # names of the trailers to come, in lower case
        self.is_incoming = False  # it is still arriving, at the speed of the client
        self.is_form_upload = False  # the file of a browser's form

    def read(self, size: int = -1) -> bytes:
        """Return the next `size` bytes, fewer only at the end; all the rest if size is negative.

        Raises AwsError if the body differs from what was announced and signed, RequestBodyError if it ends early.
        """
        pieces = [self._rest]
        count = len(self._rest)
        while size < 0 or count < size:
            piece = next(self._pieces, b"")
            if not piece:
                break
            pieces.append(piece)
            count += len(piece)
        joined = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if 0 <= size < count:
            self._rest = joined[size:]
            return joined[:size]
        self._rest = b""
        return joined

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read(READ_BYTES):
            yield piece


def inflate(body: bytes, limit: int = MAX_BUFFERED_BYTES) -> bytes:
    """Return a gzip-encoded body decompressed. Raises AwsError if it is not gzip or exceeds the limit."""
    decompressor = zlib.decompressobj(wbits=31)
    try:
        plain = decompressor.decompress(body, limit + 1)
    except zlib.error as error:
        raise AwsError("SerializationException", "The body is not gzip, as its Content-Encoding says.") from error
    if len(plain) > limit:
        raise AwsError("RequestEntityTooLarge", f"The request's body decompresses to more than {limit} bytes.", 413)
    if not decompressor.eof:
        raise AwsError("SerializationException", "The gzip-encoded request body ends early.")
    return plain
