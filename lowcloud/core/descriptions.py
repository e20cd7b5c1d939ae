"""What is said of an object beside its bytes: headers, its user's metadata, tags and encryption, kept sealed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import CloudError
from lowcloud.store.encryption import PLAIN_WRAPPING, Wrapping

_PURPOSE = "description"


@dataclass(frozen=True)
class Encryption:
    """How an object's data key is wrapped beside the master key of the home."""

    key_id: str | None = None  # of a named key
    uses_bucket_key: bool = False  # of the named key: as it was asked, to be told again
    customer_key_md5: str | None = None  # base64, of a key that only the customer has


HOME_ENCRYPTION = Encryption()


@dataclass(frozen=True)
class Description:
    """Header names are in lower case; tags are by key."""

    headers: Mapping[str, str] = field(default_factory=dict)  # content-type, cache-control, ...
    user_metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    encryption: Encryption = HOME_ENCRYPTION


NOTHING_SAID = Description()


class CustomerKeyNeeded(CloudError):
    """The object is encrypted with a customer's key, and none was given."""


class CustomerKeyRefused(CloudError):
    """The customer's key is not the one that the object is encrypted with."""


def seal(cloud: Cloud, owner: str, said: Description) -> bytes:
    """The description of the object (or upload) with this id, as it is kept."""
    document: dict[str, Any] = {"headers": dict(said.headers)}
    if said.user_metadata:
        document["user_metadata"] = dict(said.user_metadata)
    if said.tags:
        document["tags"] = dict(said.tags)
    if said.encryption is not HOME_ENCRYPTION:
        document["encryption"] = vars(said.encryption)
    return cloud.keys.seal(json.dumps(document).encode(), _PURPOSE, owner)


def unseal(cloud: Cloud, owner: str, sealed: bytes) -> Description:
    """What `seal` kept for this owner. Raises Tampered."""
    document = json.loads(cloud.keys.unseal(sealed, _PURPOSE, owner))
    encryption = document.get("encryption")
    return Description(
        document["headers"],
        document.get("user_metadata", {}),
        document.get("tags", {}),
        HOME_ENCRYPTION if encryption is None else Encryption(**encryption),
    )


def wrapping(encryption: Encryption, customer_key: bytes | None) -> Wrapping:
    """What wraps the data keys of an object. Raises CustomerKeyNeeded and CustomerKeyRefused."""
    if encryption is HOME_ENCRYPTION and customer_key is None:
        return PLAIN_WRAPPING
    if encryption.customer_key_md5 is not None and customer_key is None:
        raise CustomerKeyNeeded("The object is encrypted with a key of the customer: give the key to read it.")
    if encryption.customer_key_md5 is None and customer_key is not None:
        raise CustomerKeyRefused("The object is not encrypted with a key of the customer.")
    return Wrapping(encryption.key_id or "", customer_key)
