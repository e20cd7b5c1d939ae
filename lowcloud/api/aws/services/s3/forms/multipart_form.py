"""Streaming parser of multipart/form-data: the fields, then the file as a stream. Source: RFC 7578, RFC 2046."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lowcloud.api.aws.errors import AwsError

MAX_PART_HEAD_BYTES = 8 << 10
MAX_FIELDS_BYTES = 20 << 10  # everything before the file
MAX_FIELDS = 200

_BOUNDARY = re.compile(r'multipart/form-data\s*;.*?boundary=(?:"([^"]{1,70})"|([^\s;,"]{1,70}))', re.IGNORECASE)
_PARAMETER = re.compile(r';\s*(name|filename)="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_ESCAPED = re.compile(r'\\(["\\])')


@dataclass(frozen=True)
class FormUpload:
    """A form's fields by name in lower case, and its file; the file's name is as the browser sent it."""

    fields: dict[str, str]
    filename: str
    file: Iterator[bytes]


def parse_form(content_type: str, pieces: Iterable[bytes]) -> FormUpload:
    """Read up to the beginning of the file. Raises AwsError here and while the file is read: MalformedPOSTRequest."""
    match = _BOUNDARY.match(content_type)
    if match is None:
        raise _malformed()
    delimiter = b"\r\n--" + (match[1] or match[2]).encode()
    source = _ByteReader(pieces)
    source.skip(delimiter.removeprefix(b"\r\n"))
    fields: dict[str, str] = {}
    remaining = MAX_FIELDS_BYTES
    while source.has_part():
        parameters = _parameters(source.head())
        name = parameters.get("name", "").lower()
        if name == "file":
            return FormUpload(fields, parameters.get("filename", ""), source.until(delimiter))
        value = b""
        for piece in source.until(delimiter):
            value += piece
            remaining -= len(piece)
            if remaining < 0 or len(fields) == MAX_FIELDS:
                message = "Your POST request fields preceding the upload file were too large."
                raise AwsError("MaxPostPreDataLengthExceeded", message)
        fields[name] = _text(value)
    raise AwsError("InvalidArgument", "POST requires exactly one file upload per request.")


class _ByteReader:
    """Reads bytes up to a delimiter."""

    def __init__(self, pieces: Iterable[bytes]):
        self._pieces = iter(pieces)
        self._buffer = b""

    def skip(self, start: bytes) -> None:
        """Read the expected beginning."""
        self._fill(len(start))
        if not self._buffer.startswith(start):
            raise _malformed()
        self._buffer = self._buffer[len(start) :]

    def has_part(self) -> bool:
        """Return whether a part follows the last delimiter; none follows the closing delimiter."""
        self._fill(2)
        after, self._buffer = self._buffer[:2], self._buffer[2:]
        if after not in (b"\r\n", b"--"):
            raise _malformed()
        return after == b"\r\n"

    def head(self) -> str:
        """Read the header lines of a part."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > MAX_PART_HEAD_BYTES:
                raise _malformed()
            self._fill(len(self._buffer) + 1)
        head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        return _text(head)

    def until(self, delimiter: bytes) -> Iterator[bytes]:
        """Yield the bytes up to the delimiter, and skip the delimiter."""
        while (end := self._buffer.find(delimiter)) < 0:
            safe = len(self._buffer) - len(delimiter) + 1  # the rest may be the beginning of the delimiter
            if safe > 0:
                piece, self._buffer = self._buffer[:safe], self._buffer[safe:]
                yield piece
            self._fill(len(self._buffer) + 1)
        piece, self._buffer = self._buffer[:end], self._buffer[end + len(delimiter) :]
        if piece:
            yield piece

    def _fill(self, size: int) -> None:
        """Fill the buffer to at least `size` bytes. Raises AwsError at the end of the body."""
        while len(self._buffer) < size:
            piece = next(self._pieces, b"")
            if not piece:
                raise _malformed()
            self._buffer += piece


def _parameters(head: str) -> dict[str, str]:
    """Parse the parameters of a part's Content-Disposition."""
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-disposition":
            return {parameter.lower(): _ESCAPED.sub(r"\1", text) for parameter, text in _PARAMETER.findall(value)}
    raise _malformed()


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise _malformed() from error


def _malformed() -> AwsError:
    message = "The body of your POST request is not well-formed multipart/form-data."
    return AwsError("MalformedPOSTRequest", message)
