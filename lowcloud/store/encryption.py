"""The key ring: one master key per home, from which every other key is derived or by which it is wrapped."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12


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

    def _cipher(self, purpose: str) -> AESGCM:
        if purpose not in self._ciphers:
            key = HKDF(SHA256(), 32, salt=None, info=purpose.encode()).derive(self._master)
            self._ciphers[purpose] = AESGCM(key)
        return self._ciphers[purpose]
