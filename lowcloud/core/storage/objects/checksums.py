"""Checksums of object bytes: computed as they stream in, compared with what the sender claims, joined over parts."""

import hashlib
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from awscrt import checksums as crt

from lowcloud.core.errors import CloudError, InvalidError

DEFAULT_ALGORITHM = "CRC64NVME"
MD5 = "MD5"


class DigestMismatchError(CloudError):
    """What arrived is not what the sender computed its digest over."""

    def __init__(self, algorithm: str, claimed: str, computed: str):
        super().__init__(f"The {algorithm} of what arrived is {computed}, not {claimed}.")
        self.algorithm = algorithm


class InvalidDigestError(CloudError):
    """The claimed digest cannot be one of its algorithm."""

    def __init__(self, algorithm: str):
        super().__init__(f"The {algorithm} value is not valid: it must be the digest in base64.")
        self.algorithm = algorithm


@dataclass(frozen=True)
class Checksum:
    """A checksum in base64, over the whole object or (composite) over the checksums of its parts."""

    algorithm: str
    value: str
    is_composite: bool = False

    def __str__(self) -> str:
        return f"{self.algorithm} {self.value}"


def parse(text: str) -> Checksum:
    """The checksum that str() wrote. A composite one ends with "-" and the number of parts, which base64 lacks."""
    algorithm, _, value = text.partition(" ")
    return Checksum(algorithm, value, "-" in value)


class _Running(Protocol):
    def update(self, data: bytes, /) -> object: ...
    def digest(self) -> bytes: ...


class _Crc:
    """A cyclic redundancy check with hashlib's interface."""

    def __init__(self, function: Callable[[bytes, int], int], size: int):
        self._function = function
        self._size = size
        self._value = 0

    def update(self, data: bytes) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size, "big")


class _XxHash:
    """A hash of awscrt's with hashlib's interface: it can be asked for its digest more than once, at the end."""

    def __init__(self, running: crt.XXHash):
        self._running = running
        self._digest: bytes | None = None

    def update(self, data: bytes) -> None:
        self._running.update(data)

    def digest(self) -> bytes:
        if self._digest is None:
            self._digest = self._running.finalize()
        return self._digest


_STARTS: dict[str, Callable[[], _Running]] = {
    MD5: lambda: hashlib.md5(usedforsecurity=False),
    "CRC32": lambda: _Crc(zlib.crc32, 4),  # twice as fast as awscrt's
    "CRC32C": lambda: _Crc(crt.crc32c, 4),
    "CRC64NVME": lambda: _Crc(crt.crc64nvme, 8),
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
    "XXHASH64": lambda: _XxHash(crt.XXHash.new_xxhash64()),
    "XXHASH3": lambda: _XxHash(crt.XXHash.new_xxhash3_64()),
    "XXHASH128": lambda: _XxHash(crt.XXHash.new_xxhash3_128()),
}
_JOIN: dict[str, Callable[[int, int, int], int]] = {
    "CRC32": crt.combine_crc32,
    "CRC32C": crt.combine_crc32c,
    "CRC64NVME": crt.combine_crc64nvme,
}
ALGORITHMS = tuple(_STARTS)
COMBINABLE_ALGORITHMS = tuple(_JOIN)  # a checksum of the whole follows from those of the parts


class Digester:
    """Computes the MD5 and some checksums of what passes."""

    def __init__(self, *algorithms: str):
        self._running = {name: _STARTS[name]() for name in (MD5, *algorithms)}

    def update(self, chunk: bytes) -> None:
        for running in self._running.values():
            running.update(chunk)

    def md5(self) -> str:
        """Hexadecimal."""
        return self._running[MD5].digest().hex()

    def checksum(self, algorithm: str) -> str:
        """Base64."""
        return b64encode(self._running[algorithm].digest()).decode()

    def verify(self, claimed: Mapping[str, str]) -> None:
        """Compare with the sender's digests, base64 by algorithm. Raises InvalidDigestError and DigestMismatchError."""
        for algorithm, value in claimed.items():
            if algorithm not in self._running:
                raise InvalidError(f"A {algorithm} checksum came that was not announced.")
            computed = self._running[algorithm].digest()
            if decode_digest(algorithm, value) != computed:
                raise DigestMismatchError(algorithm, value, b64encode(computed).decode())


def decode_digest(algorithm: str, value: str) -> bytes:
    """The bytes of a digest in base64. Raises InvalidDigestError."""
    try:
        digest = b64decode(value, validate=True)
    except ValueError as error:
        raise InvalidDigestError(algorithm) from error
    if len(digest) != len(_STARTS[algorithm]().digest()):
        raise InvalidDigestError(algorithm)
    return digest


def composite(algorithm: str, values: Sequence[str]) -> Checksum:
    """The checksum over the parts' checksums, with the number of parts, as S3 defines it."""
    running = _STARTS[algorithm]()
    for value in values:
        running.update(b64decode(value))
    return Checksum(algorithm, f"{b64encode(running.digest()).decode()}-{len(values)}", is_composite=True)


def multipart_etag(tags: Sequence[str]) -> str:
    """The entity tag of an object from those of its parts: the MD5 over them, and their number."""
    md5 = hashlib.md5(b"".join(bytes.fromhex(tag) for tag in tags), usedforsecurity=False)
    return f"{md5.hexdigest()}-{len(tags)}"


def combined(algorithm: str, values: Sequence[tuple[str, int]]) -> Checksum:
    """The checksum of the whole from the (checksum, size in bytes) of its parts."""
    total = 0
    for value, size in values:
        total = _JOIN[algorithm](total, int.from_bytes(b64decode(value), "big"), size)
    width = len(_STARTS[algorithm]().digest())
    return Checksum(algorithm, b64encode(total.to_bytes(width, "big")).decode())
