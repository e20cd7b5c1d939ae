"""Encryption at rest: one master key per home derives or wraps every other key (envelope encryption)."""

import os
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12
TAG_BYTES = 16
DATA_KEY_BYTES = 32


class TamperedError(Exception):
    """Authenticated decryption failed: the ciphertext was changed, or the key is wrong."""


class WrongKeyError(Exception):
    """The data key is wrapped with a customer's key, and another one or none was given."""


@dataclass(frozen=True)
class KeyWrapping:
    """The key that wraps a data key in addition to the master key: a named key, or a key that only the customer has."""

    key_id: str = ""
    customer_key: bytes | None = None  # 32 bytes, never stored


MASTER_KEY_WRAPPING = KeyWrapping()


class KeyRing:
    """Encrypts small secrets. Each purpose has a derived key of its own, so no ciphertext decrypts for another one."""

    def __init__(self, master: bytes):
        self._master = master
        self._ciphers: dict[str, AESGCM] = {}

    def seal(self, plaintext: bytes, purpose: str, owner: str = "") -> bytes:
        """Encrypt, with the owner as associated data. Returns nonce (12 bytes), ciphertext and tag."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher(purpose).encrypt(nonce, plaintext, f"{purpose} {owner}".encode())

    def unseal(self, sealed: bytes, purpose: str, owner: str = "") -> bytes:
        """Decrypt what `seal` returned for this owner. Raises TamperedError."""
        try:
            nonce, associated = sealed[:NONCE_BYTES], f"{purpose} {owner}".encode()
            return self._cipher(purpose).decrypt(nonce, sealed[NONCE_BYTES:], associated)
        except (InvalidTag, ValueError) as error:
            raise TamperedError(f"The encrypted {purpose} {owner} cannot be decrypted with this home's key.") from error

    def wrap(self, data_key: bytes, owner: str, wrapping: KeyWrapping = MASTER_KEY_WRAPPING) -> bytes:
        """Wrap the data key of one blob, bound to the blob's id."""
        if wrapping.customer_key is not None:
            nonce = os.urandom(NONCE_BYTES)
            data_key = nonce + _customer_cipher(wrapping.customer_key).encrypt(nonce, data_key, owner.encode())
        return self.seal(data_key, _purpose(wrapping), owner)

    def unwrap(self, wrapped: bytes, owner: str, wrapping: KeyWrapping = MASTER_KEY_WRAPPING) -> bytes:
        """Unwrap a data key that `wrap` wrapped for this owner. Raises TamperedError and WrongKeyError."""
        data_key = self.unseal(wrapped, _purpose(wrapping), owner)
        if wrapping.customer_key is not None:
            try:
                nonce, sealed = data_key[:NONCE_BYTES], data_key[NONCE_BYTES:]
                data_key = _customer_cipher(wrapping.customer_key).decrypt(nonce, sealed, owner.encode())
            except (InvalidTag, ValueError) as error:
                raise WrongKeyError(f"The data key of {owner} cannot be unwrapped with this customer key.") from error
        return data_key

    def _cipher(self, purpose: str) -> AESGCM:
        cipher = self._ciphers.get(purpose)
        if cipher is None:
            key = HKDF(SHA256(), 32, salt=None, info=purpose.encode()).derive(self._master)
            cipher = self._ciphers[purpose] = AESGCM(key)
        return cipher


class RecordCipher:
    """Encrypts one stream of bytes as numbered records, under a key used for nothing else.

    The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizar 2015): a record's nonce is its number (11 bytes) and
    whether it is the last (1 byte), so a truncated, reordered, extended or modified stream fails to decrypt.
    """

    def __init__(self, data_key: bytes):
        """Raises WrongKeyError for a data key that is still wrapped with a customer's key."""
        if len(data_key) != DATA_KEY_BYTES:
            raise WrongKeyError("The data key can be unwrapped with the customer's key only.")
        self._cipher = AESGCM(data_key)

    def encrypt(self, number: int, is_last: bool, plaintext: bytes | bytearray | memoryview) -> bytes:
        """Return ciphertext and tag (16 bytes more than the plaintext)."""
        return self._cipher.encrypt(_record_nonce(number, is_last), plaintext, None)

    def decrypt(self, number: int, is_last: bool, record: bytes | memoryview) -> bytes:
        """Return the plaintext. Raises TamperedError."""
        try:
            return self._cipher.decrypt(_record_nonce(number, is_last), record, None)
        except (InvalidTag, ValueError) as error:
            raise TamperedError(f"Record {number} failed authentication.") from error


def _purpose(wrapping: KeyWrapping) -> str:
    return f"data key under {wrapping.key_id}" if wrapping.key_id else "data key"


@lru_cache(maxsize=16)
def _customer_cipher(key: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=b"customer key").derive(key))


def _record_nonce(number: int, is_last: bool) -> bytes:
    return number.to_bytes(NONCE_BYTES - 1, "big") + (b"\x01" if is_last else b"\x00")
