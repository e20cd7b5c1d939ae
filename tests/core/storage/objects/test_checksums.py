"""Checksums of objects, computed and combined."""

from base64 import b64encode
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowcloud.core.errors import InvalidError
from lowcloud.core.storage.objects.checksums import (
    ALGORITHMS,
    COMBINABLE_ALGORITHMS,
    Digester,
    DigestMismatchError,
    InvalidDigestError,
    combined,
)


def digest(content: bytes, algorithm: str) -> str:
    digester = Digester(algorithm)
    digester.update(content)
    return digester.checksum(algorithm)


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("CRC32", "cbf43926"),
        ("CRC32C", "e3069283"),
        ("CRC64NVME", "ae8b14860a799888"),
    ],
)
def test_a_crc_has_the_catalogues_check_value(algorithm: str, expected: str) -> None:
    assert digest(b"123456789", algorithm) == b64encode(bytes.fromhex(expected)).decode()


@given(content=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=3))
@pytest.mark.parametrize("algorithm", COMBINABLE_ALGORITHMS)
def test_checksums_of_parts_combine_to_that_of_the_whole(algorithm: str, content: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    pieces = [content[start:end] for start, end in pairwise(edges)]
    values = [(digest(piece, algorithm), len(piece)) for piece in pieces]
    assert combined(algorithm, values).value == digest(content, algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_expected_digest_is_verified(algorithm: str) -> None:
    digester = Digester(algorithm)
    digester.update(b"abc")
    digester.verify({algorithm: digest(b"abc", algorithm)})
    with pytest.raises(DigestMismatchError):
        digester.verify({algorithm: digest(b"abd", algorithm)})
    for nonsense in ("", "not base64!", "AAAA" * 40):
        with pytest.raises(InvalidDigestError):
            digester.verify({algorithm: nonsense})


def test_a_digest_that_was_not_announced_is_refused() -> None:
    with pytest.raises(InvalidError):
        Digester("CRC32").verify({"SHA256": digest(b"", "SHA256")})
