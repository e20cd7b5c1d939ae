"""What is said of an object beside its bytes: headers, its user's metadata, tags and encryption, kept sealed."""

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

_PURPOSE = "description"
_DEFAULT_KEY = "alias/aws/s3"  # of the named keys: the account's own for objects


@dataclass(frozen=True)
class Encryption:
    """How an object's data key is wrapped beside the master key of the home."""

    key_id: str | None = None  # of a named key
    uses_bucket_key: bool = False  # of the named key: as it was asked, to be told again
    customer_key_md5: str | None = None  # base64, of a key that only the customer has
    context: str | None = None  # of the named key: what its user wants told again


MASTER_KEY_ENCRYPTION = Encryption()


@dataclass(frozen=True)
class ObjectMetadata:
    """Header names are in lower case; tags are by key. Where nothing is said of encryption, the bucket says it;
    what is kept and says nothing of it is encrypted as the home does."""

    headers: Mapping[str, str] = field(default_factory=dict)  # content-type, cache-control, ...
    user_metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    encryption: Encryption | None = None


NO_METADATA = ObjectMetadata()


class CustomerKeyRequiredError(CloudError):
    """The object is encrypted with a customer's key, and none was given."""


class CustomerKeyNotAllowedError(CloudError):
    """A customer's key was given for an object that is not encrypted with one."""


class WrongCustomerKeyError(CloudError):
    """The customer's key is not the one that the object is encrypted with."""


def seal(context: Context, owner: str, said: ObjectMetadata) -> bytes:
    """The description of the object (or upload) with this id, as it is kept."""
    document: dict[str, Any] = {"headers": dict(said.headers)}
    if said.user_metadata:
        document["user_metadata"] = dict(said.user_metadata)
    if said.tags:
        document["tags"] = dict(said.tags)
    if said.encryption is not None and said.encryption is not MASTER_KEY_ENCRYPTION:
        document["encryption"] = vars(said.encryption)
    return context.keys.seal(json.dumps(document).encode(), _PURPOSE, owner)


def unseal(context: Context, owner: str, sealed: bytes) -> ObjectMetadata:
    """What `seal` kept for this owner. Raises Tampered."""
    document = json.loads(context.keys.unseal(sealed, _PURPOSE, owner))
    encryption = document.get("encryption")
    return ObjectMetadata(
        document["headers"],
        document.get("user_metadata", {}),
        document.get("tags", {}),
        None if encryption is None else Encryption(**encryption),
    )


def key_wrapping(encryption: Encryption | None, customer_key: bytes | None) -> KeyWrapping:
    """What wraps the data keys of an object.

    Raises CustomerKeyRequiredError, CustomerKeyNotAllowedError and WrongCustomerKeyError.
    """
    if encryption is None or encryption is MASTER_KEY_ENCRYPTION:
        if customer_key is not None:
            raise CustomerKeyNotAllowedError("The object is not encrypted with a key of the customer.")
        return MASTER_KEY_WRAPPING
    if encryption.customer_key_md5 is not None and customer_key is None:
        raise CustomerKeyRequiredError("The object is encrypted with a key of the customer: give the key to read it.")
    if encryption.customer_key_md5 is None and customer_key is not None:
        raise CustomerKeyNotAllowedError("The object is not encrypted with a key of the customer.")
    if customer_key is not None and not compare_digest(encryption.customer_key_md5 or "", key_md5(customer_key)):
        raise WrongCustomerKeyError("The object is encrypted with another key of the customer.")
    return KeyWrapping(encryption.key_id or "", customer_key)


def key_md5(customer_key: bytes) -> str:
    """The base64 by which a customer's key is known again."""
    return b64encode(md5(customer_key, usedforsecurity=False).digest()).decode()


def bucket_encryption(context: Context, said: Mapping[str, Any] | None) -> Encryption:
    """What a bucket says of the encryption of new objects, as buckets.Bucket.encryption has it."""
    if said is None or said["algorithm"] == "AES256":
        return MASTER_KEY_ENCRYPTION
    return Encryption(named_key_id(context, said.get("key_id")), bool(said.get("bucket_key")))


def named_key_id(context: Context, name: str | None) -> str:
    """The id of a named key, told by its id, by an alias or by a path that ends in one; None: the account's own.

    Keys are derived by their ids, so each id there can be is the id of a key.
    """
    last = (name or _DEFAULT_KEY).rpartition(":")[2].removeprefix("key/")
    if not last.startswith("alias/"):
        return last
    return str(uuid5(NAMESPACE_URL, f"{context.settings.account_id}/{last}"))


def entity_tag(encryption: Encryption | None, body_md5: str) -> str:
    """The tag of an object or a part: its MD5, or 32 random digits where that would tell of what a key keeps secret."""
    return body_md5 if encryption is None or encryption is MASTER_KEY_ENCRYPTION else secrets.token_hex(16)
