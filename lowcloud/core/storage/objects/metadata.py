"""Object metadata: headers, user metadata, tags and encryption, stored encrypted."""

import json
import secrets
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import md5
from hmac import compare_digest
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from lowcloud.core.context import Context
from lowcloud.core.errors import CloudError
from lowcloud.store.blobs.encryption import MASTER_KEY_WRAPPING, KeyWrapping

_PURPOSE = "description"  # part of the stored ciphertexts: it cannot change
_DEFAULT_KEY = "alias/aws/s3"  # the account's default key for objects


@dataclass(frozen=True)
class Encryption:
    """The key that wraps an object's data key in addition to the master key."""

    key_id: str | None = None  # of a named key
    uses_bucket_key: bool = False  # as requested; has no effect but is returned
    customer_key_md5: str | None = None  # base64, of a key that only the customer has
    context: str | None = None  # the encryption context of the named key, returned as sent


MASTER_KEY_ENCRYPTION = Encryption()


@dataclass(frozen=True)
class ObjectMetadata:
    """Header names are in lower case; tags are by key.

    Encryption None means the bucket's default in a request, and the master key alone in a stored object.
    """

    headers: Mapping[str, str] = field(default_factory=dict)  # content-type, cache-control, ...
    user_metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    encryption: Encryption | None = None


NO_METADATA = ObjectMetadata()


class CustomerKeyRequiredError(CloudError):
    """The object is encrypted with a customer's key, but none was given."""


class CustomerKeyNotAllowedError(CloudError):
    """A customer's key was given, but the object is not encrypted with one."""


class WrongCustomerKeyError(CloudError):
    """The object is encrypted with another customer key."""


def seal(context: Context, owner: str, metadata: ObjectMetadata) -> bytes:
    """Encrypt the metadata of the object or upload with this id."""
    document: dict[str, Any] = {"headers": dict(metadata.headers)}
    if metadata.user_metadata:
        document["user_metadata"] = dict(metadata.user_metadata)
    if metadata.tags:
        document["tags"] = dict(metadata.tags)
    if metadata.encryption is not None and metadata.encryption is not MASTER_KEY_ENCRYPTION:
        document["encryption"] = vars(metadata.encryption)
    return context.keys.seal(json.dumps(document).encode(), _PURPOSE, owner)


def unseal(context: Context, owner: str, sealed: bytes) -> ObjectMetadata:
    """Decrypt what `seal` encrypted for this owner. Raises TamperedError."""
    document = json.loads(context.keys.unseal(sealed, _PURPOSE, owner))
    encryption = document.get("encryption")
    return ObjectMetadata(
        document["headers"],
        document.get("user_metadata", {}),
        document.get("tags", {}),
        None if encryption is None else Encryption(**encryption),
    )


def key_wrapping(encryption: Encryption | None, customer_key: bytes | None) -> KeyWrapping:
    """Return how an object's data keys are wrapped.

    Raises CustomerKeyRequiredError, CustomerKeyNotAllowedError and WrongCustomerKeyError.
    """
    if encryption is None or encryption is MASTER_KEY_ENCRYPTION:
        if customer_key is not None:
            raise CustomerKeyNotAllowedError("The object is not encrypted with a customer key.")
        return MASTER_KEY_WRAPPING
    if encryption.customer_key_md5 is not None and customer_key is None:
        raise CustomerKeyRequiredError("The object is encrypted with a customer key: send the key with the request.")
    if encryption.customer_key_md5 is None and customer_key is not None:
        raise CustomerKeyNotAllowedError("The object is not encrypted with a customer key.")
    if customer_key is not None and not compare_digest(encryption.customer_key_md5 or "", key_md5(customer_key)):
        raise WrongCustomerKeyError("The object is encrypted with another customer key.")
    return KeyWrapping(encryption.key_id or "", customer_key)


def key_md5(customer_key: bytes) -> str:
    """Return the MD5 of a customer's key in base64, by which it is recognised."""
    return b64encode(md5(customer_key, usedforsecurity=False).digest()).decode()


def bucket_encryption(context: Context, default: Mapping[str, Any] | None) -> Encryption:
    """Convert Bucket.encryption, the default for new objects."""
    if default is None or default["algorithm"] == "AES256":
        return MASTER_KEY_ENCRYPTION
    return Encryption(named_key_id(context, default.get("key_id")), bool(default.get("bucket_key")))


def named_key_id(context: Context, name: str | None) -> str:
    """Return the id of a named key, given its id, alias or ARN; None: the account's default key.

    Keys are derived from their ids, so every id is the id of a key.
    """
    last = (name or _DEFAULT_KEY).rpartition(":")[2].removeprefix("key/")
    if not last.startswith("alias/"):
        return last
    return str(uuid5(NAMESPACE_URL, f"{context.settings.account_id}/{last}"))


def entity_tag(encryption: Encryption | None, body_md5: str) -> str:
    """Return the entity tag of an object or part: its MD5, or random if a named or customer key encrypts it."""
    return body_md5 if encryption is None or encryption is MASTER_KEY_ENCRYPTION else secrets.token_hex(16)
