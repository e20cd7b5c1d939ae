"""Encryption of blobs and of small values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowcloud.store.blobs.encryption import KeyRing, RecordCipher, TamperedError

KEY = bytes(range(32))


@given(content=st.binary(max_size=200), number=st.integers(0, 2**64), is_last=st.booleans())
def test_a_record_decrypts_only_at_its_position(content: bytes, number: int, is_last: bool) -> None:
    records = RecordCipher(KEY)
    sealed = records.encrypt(number, is_last, content)
    assert records.decrypt(number, is_last, sealed) == content
    assert len(sealed) == len(content) + 16
    for other in ((number + 1, is_last), (number, not is_last)):
        with pytest.raises(TamperedError):
            records.decrypt(*other, sealed)


@given(position=st.integers(0, 8 * 36 - 1))
def test_any_flipped_bit_of_a_record_is_detected(position: int) -> None:
    sealed = bytearray(RecordCipher(KEY).encrypt(0, True, b"twenty bytes of text"))
    sealed[position // 8] ^= 1 << position % 8
    with pytest.raises(TamperedError):
        RecordCipher(KEY).decrypt(0, True, bytes(sealed))


def test_a_wrapped_key_unwraps_only_for_its_owner_and_home() -> None:
    ring = KeyRing(KEY)
    wrapped = ring.wrap(b"k" * 32, "blob 1")
    assert ring.unwrap(wrapped, "blob 1") == b"k" * 32
    assert b"k" * 32 not in wrapped
    for other, owner in ((ring, "blob 2"), (KeyRing(b"x" * 32), "blob 1")):
        with pytest.raises(TamperedError):
            other.unwrap(wrapped, owner)
    with pytest.raises(TamperedError):
        ring.unwrap(wrapped[:5], "blob 1")


def test_a_ciphertext_of_one_purpose_does_not_decrypt_for_another() -> None:
    ring = KeyRing(KEY)
    sealed = ring.seal(b"secret", "session token")
    assert ring.unseal(sealed, "session token") == b"secret"
    with pytest.raises(TamperedError):
        ring.unseal(sealed, "another")
