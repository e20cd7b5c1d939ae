"""The key ring: one master key per home, from which every other key is derived or by which it is wrapped."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12
TAG_BYTES = 16
DATA_KEY_BYTES = 32


class Tampered(Exception):
    """What was read is not what was written: a bit has changed, or the key is another."""


class KeyRing:
    """Seals small secrets. Each purpose has a key of its own, so that one seal never opens another."""

    def __init__(self, master: bytes):
        self._master = master
        self._ciphers: dict[str, AESGCM] = {}

    def seal(self, plaintext: bytes, purpose: str) -> bytes:
        """Encrypt and authenticate: nonce (12 bytes), then ciphertext and tag."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher(purpose).encrypt(nonce, plaintext, purpose.encode())

    def unseal(self, sealed: bytes, purpose: str) -> bytes:
        """The plaintext of what `seal` gave. Raises Tampered."""
        try:
            return self._cipher(purpose).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], purpose.encode())
        except (InvalidTag, ValueError) as error:
            raise Tampered(f"A sealed {purpose} does not open with this home's key.") from error

    def wrap(self, data_key: bytes, owner: str) -> bytes:
        """Seal the key of one blob, bound to that blob's id so that it opens no other."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher("data key").encrypt(nonce, data_key, owner.encode())

    def unwrap(self, wrapped: bytes, owner: str) -> bytes:
        """The data key that `wrap` sealed for this owner. Raises Tampered."""
        try:
            return self._cipher("data key").decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], owner.encode())
        except (InvalidTag, ValueError) as error:
            raise Tampered(f"The key of {owner} does not open with this home's key.") from error

    def _cipher(self, purpose: str) -> AESGCM:
        if purpose not in self._ciphers:
            key = HKDF(SHA256(), 32, salt=None, info=purpose.encode()).derive(self._master)
            self._ciphers[purpose] = AESGCM(key)
        return self._ciphers[purpose]


class Records:
    """Encrypts one stream of bytes as numbered records under a key that serves nothing else.

    The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizar 2015): a record's nonce is its number (11 bytes) and
    whether it is the last (1 byte), so a stream that is cut short, reordered, lengthened or changed does not open.
    """

    def __init__(self, data_key: bytes):
        self._cipher = AESGCM(data_key)

    def encrypt(self, number: int, is_last: bool, plaintext: bytes | bytearray | memoryview) -> bytes:
        """Ciphertext and tag (16 bytes more than the plaintext)."""
        return self._cipher.encrypt(_record_nonce(number, is_last), plaintext, None)

    def decrypt(self, number: int, is_last: bool, record: bytes | memoryview) -> bytes:
        """The plaintext. Raises Tampered."""
        try:
            return self._cipher.decrypt(_record_nonce(number, is_last), record, None)
        except (InvalidTag, ValueError) as error:
            raise Tampered(f"Record {number} is not what was written.") from error


def _record_nonce(number: int, is_last: bool) -> bytes:
    return number.to_bytes(NONCE_BYTES - 1, "big") + (b"\x01" if is_last else b"\x00")
