"""multipart/form-data as it comes in: the fields, and then the file as a stream. Source: RFC 7578, RFC 2046."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lowcloud.api.aws.errors import AwsError

MAX_PART_HEAD_BYTES = 8 << 10
MAX_FIELDS_BYTES = 20 << 10  # all that comes before the file
MAX_FIELDS = 200

_BOUNDARY = re.compile(r'multipart/form-data\s*;.*?boundary=(?:"([^"]{1,70})"|([^\s;,"]{1,70}))', re.IGNORECASE)
_PARAMETER = re.compile(r';\s*(name|filename)="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
_ESCAPED = re.compile(r'\\(["\\])')


@dataclass(frozen=True)
class FormUpload:
    """A form's fields by their names in lower case, and its file; the file's name is as the browser sent it."""

    fields: dict[str, str]
    filename: str
    file: Iterator[bytes]


def parse_form(content_type: str, pieces: Iterable[bytes]) -> FormUpload:
    """Read up to the beginning of the file. Raises AwsError here, and while the file is read: MalformedPOSTRequest."""
    match = _BOUNDARY.match(content_type)
    if match is None:
        raise _malformed()
    delimiter = b"\r\n--" + (match[1] or match[2]).encode()
    source = _Source(pieces)
    source.skip(delimiter.removeprefix(b"\r\n"))
    fields: dict[str, str] = {}
    left = MAX_FIELDS_BYTES
    while source.has_part():
        parameters = _parameters(source.head())
        name = parameters.get("name", "").lower()
        if name == "file":
            return FormUpload(fields, parameters.get("filename", ""), source.until(delimiter))
        value = b""
        for piece in source.until(delimiter):
            value += piece
            left -= len(piece)
            if left < 0 or len(fields) == MAX_FIELDS:
                sentence = "Your POST request fields preceding the upload file were too large."
                raise AwsError("MaxPostPreDataLengthExceeded", sentence)
        fields[name] = _text(value)
    raise AwsError("InvalidArgument", "POST requires exactly one file upload per request.")


class _Source:
    """Bytes as they come, taken up to what ends them."""

    def __init__(self, pieces: Iterable[bytes]):
        self._pieces = iter(pieces)
        self._held = b""

    def skip(self, start: bytes) -> None:
        """Take what everything begins with."""
        self._hold(len(start))
        if not self._held.startswith(start):
            raise _malformed()
        self._held = self._held[len(start) :]

    def has_part(self) -> bool:
        """Whether a part follows the delimiter that was taken last; none does after the closing one."""
        self._hold(2)
        after, self._held = self._held[:2], self._held[2:]
        if after not in (b"\r\n", b"--"):
            raise _malformed()
        return after == b"\r\n"

    def head(self) -> str:
        """The header lines of a part."""
        while (end := self._held.find(b"\r\n\r\n")) < 0:
            if len(self._held) > MAX_PART_HEAD_BYTES:
                raise _malformed()
            self._hold(len(self._held) + 1)
        head, self._held = self._held[:end], self._held[end + 4 :]
        return _text(head)

    def until(self, delimiter: bytes) -> Iterator[bytes]:
        """What comes before the delimiter, which is taken too."""
        while (end := self._held.find(delimiter)) < 0:
            safe = len(self._held) - len(delimiter) + 1  # what follows may be the beginning of the delimiter
            if safe > 0:
                piece, self._held = self._held[:safe], self._held[safe:]
                yield piece
            self._hold(len(self._held) + 1)
        piece, self._held = self._held[:end], self._held[end + len(delimiter) :]
        if piece:
            yield piece

    def _hold(self, size: int) -> None:
        """Have at least so many bytes. Raises AwsError where there are no more."""
        while len(self._held) < size:
            piece = next(self._pieces, b"")
            if not piece:
                raise _malformed()
            self._held += piece


def _parameters(head: str) -> dict[str, str]:
    """The parameters of a part's Content-Disposition."""
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-disposition":
            return {word.lower(): _ESCAPED.sub(r"\1", text) for word, text in _PARAMETER.findall(value)}
    raise _malformed()


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise _malformed() from error


def _malformed() -> AwsError:
    sentence = "The body of your POST request is not well-formed multipart/form-data."
    return AwsError("MalformedPOSTRequest", sentence)
