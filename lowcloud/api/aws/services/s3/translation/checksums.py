"""Checksums of bodies in requests (headers and trailers) and in responses."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Request
from lowcloud.core.storage.objects.bodies import ExpectedDigests
from lowcloud.core.storage.objects.checksums import ALGORITHMS, DEFAULT_ALGORITHM, MD5, Checksum

_PREFIX = "x-amz-checksum-"


@dataclass(frozen=True)
class DeclaredChecksum:
    """The checksum algorithm of a request's body, and how to get the value."""

    algorithm: str | None
    expected_digests: ExpectedDigests
    has_value: bool  # otherwise only the algorithm is requested

    @property
    def stored_algorithm(self) -> str:
        """The algorithm of the checksum to store."""
        return self.algorithm or DEFAULT_ALGORITHM


def payload_chunks(request: Request) -> Iterable[bytes]:
    """Return the payload in chunks."""
    body = request.get("Body", b"")
    return [body] if isinstance(body, bytes) else body


def quote_etag(etag: str) -> str:
    """Quote an entity tag, as in headers and documents."""
    return f'"{etag}"'


def declared_checksum(request: Request) -> DeclaredChecksum:
    """Return the checksum of the request's body. Raises AwsError if there are several."""
    body = request.get("Body", b"")
    in_headers = parse_checksums(request)
    in_trailers = [
        name.removeprefix(_PREFIX).upper() for name in getattr(body, "announced", ()) if name.startswith(_PREFIX)
    ]
    names = [*in_headers, *(name for name in in_trailers if name in ALGORITHMS)]
    if len(names) > 1:
        message = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
        raise AwsError("InvalidRequest", message)
    md5 = {MD5: request["ContentMD5"]} if "ContentMD5" in request else {}
    if md5 and in_headers.get(MD5, md5[MD5]) != md5[MD5]:
        raise AwsError("BadDigest", "The Content-MD5 and the x-amz-checksum-md5 you specified are not the same.")

    def expected_digests() -> Mapping[str, str]:
        trailers: Mapping[str, str] = getattr(body, "trailers", {})
        trailing = {name: trailers[_PREFIX + name.lower()] for name in names if _PREFIX + name.lower() in trailers}
        return {**md5, **in_headers, **trailing}

    return DeclaredChecksum(names[0] if names else request.get("ChecksumAlgorithm"), expected_digests, bool(names))


def declared_body_checksum(request: Request) -> DeclaredChecksum:
    """Return the checksum of a request's body, which is required with x-amz-sdk-checksum-algorithm.

    Raises AwsError.
    """
    checksum = declared_checksum(request)
    algorithm = request.get("ChecksumAlgorithm")
    if algorithm is None:
        return checksum
    if not checksum.has_value:
        message = "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer"
        raise AwsError("InvalidRequest", f"{message} headers were found.")
    if algorithm != checksum.algorithm:
        raise AwsError("InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid.")
    return checksum


def parse_checksums(members: Mapping[str, str]) -> dict[str, str]:
    """Return the members that are checksums, base64 by algorithm."""
    values = {name: members.get(f"Checksum{name}") for name in ALGORITHMS}
    return {name: value for name, value in values.items() if value is not None}


def render_checksum(checksum: Checksum | None) -> dict[str, str]:
    """Return the members of a response for an object's checksum."""
    if checksum is None:
        return {}
    return {f"Checksum{checksum.algorithm}": checksum.value, "ChecksumType": checksum_type(checksum.is_composite)}


def checksum_type(is_composite: bool) -> str:
    """Return the type of a checksum."""
    return "COMPOSITE" if is_composite else "FULL_OBJECT"
