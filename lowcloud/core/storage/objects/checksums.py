"""Checksums of object bytes: computed while they stream in, verified against the sender's, combined over parts."""

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
    """The received bytes do not match the sender's digest."""

    def __init__(self, algorithm: str, expected: str, computed: str):
        super().__init__(f"The {algorithm} of the received bytes is {computed}, not {expected}.")
        self.algorithm = algorithm


class InvalidDigestError(CloudError):
    """The sender's digest is malformed."""

    def __init__(self, algorithm: str):
        super().__init__(f"The {algorithm} value is not valid: it must be the digest in base64.")
        self.algorithm = algorithm


@dataclass(frozen=True)
class Checksum:
    """A checksum in base64, of the complete object or (composite) of the checksums of its parts."""

    algorithm: str
    value: str
    is_composite: bool = False

    def __str__(self) -> str:
        return f"{self.algorithm} {self.value}"


def parse(text: str) -> Checksum:
    """Parse what str() wrote. A composite one ends with "-" and the number of parts; base64 has no "-"."""
    algorithm, _, value = text.partition(" ")
    return Checksum(algorithm, value, "-" in value)


class _Hash(Protocol):
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
    """A hash of awscrt with hashlib's interface; unlike awscrt's, `digest` may be called more than once."""

    def __init__(self, xxhash: crt.XXHash):
        self._xxhash = xxhash
        self._digest: bytes | None = None

    def update(self, data: bytes) -> None:
        self._xxhash.update(data)

    def digest(self) -> bytes:
        if self._digest is None:
            self._digest = self._xxhash.finalize()
        return self._digest


_NEW_HASH: dict[str, Callable[[], _Hash]] = {
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
_COMBINE: dict[str, Callable[[int, int, int], int]] = {
    "CRC32": crt.combine_crc32,
    "CRC32C": crt.combine_crc32c,
    "CRC64NVME": crt.combine_crc64nvme,
}
ALGORITHMS = tuple(_NEW_HASH)
COMBINABLE_ALGORITHMS = tuple(_COMBINE)  # the checksum of the whole follows from those of the parts


class Digester:
    """Computes the MD5 and other checksums of the bytes passed to `update`."""

    def __init__(self, *algorithms: str):
        self._hashes = {name: _NEW_HASH[name]() for name in (MD5, *algorithms)}

    def update(self, chunk: bytes) -> None:
        for running_hash in self._hashes.values():
            running_hash.update(chunk)

    def md5(self) -> str:
        """Return the MD5 in hexadecimal."""
        return self._hashes[MD5].digest().hex()

    def checksum(self, algorithm: str) -> str:
        """Return a checksum in base64."""
        return b64encode(self._hashes[algorithm].digest()).decode()

    def verify(self, expected: Mapping[str, str]) -> None:
        """Compare with the sender's digests, base64 by algorithm. Raises InvalidDigestError and DigestMismatchError."""
        for algorithm, value in expected.items():
            if algorithm not in self._hashes:
                raise InvalidError(f"The request contains a {algorithm} checksum that was not announced.")
            computed = self._hashes[algorithm].digest()
            if decode_digest(algorithm, value) != computed:
                raise DigestMismatchError(algorithm, value, b64encode(computed).decode())


def decode_digest(algorithm: str, value: str) -> bytes:
    """Decode a digest in base64. Raises InvalidDigestError."""
    try:
        digest = b64decode(value, validate=True)
    except ValueError as error:
        raise InvalidDigestError(algorithm) from error
    if len(digest) != len(_NEW_HASH[algorithm]().digest()):
        raise InvalidDigestError(algorithm)
    return digest


def composite(algorithm: str, values: Sequence[str]) -> Checksum:
    """Return the checksum of the parts' checksums, with the number of parts, as S3 defines it."""
    combined_hash = _NEW_HASH[algorithm]()
    for value in values:
        combined_hash.update(b64decode(value))
    return Checksum(algorithm, f"{b64encode(combined_hash.digest()).decode()}-{len(values)}", is_composite=True)


def multipart_etag(tags: Sequence[str]) -> str:
    """Return an object's entity tag from those of its parts: the MD5 of their bytes, and their number."""
    md5 = hashlib.md5(b"".join(bytes.fromhex(tag) for tag in tags), usedforsecurity=False)
    return f"{md5.hexdigest()}-{len(tags)}"


def combined(algorithm: str, values: Sequence[tuple[str, int]]) -> Checksum:
    """Return the checksum of the whole from (checksum, size in bytes) of each part."""
    total = 0
    for value, size in values:
        total = _COMBINE[algorithm](total, int.from_bytes(b64decode(value), "big"), size)
    width = len(_NEW_HASH[algorithm]().digest())
    return Checksum(algorithm, b64encode(total.to_bytes(width, "big")).decode())
