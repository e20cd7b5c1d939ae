"""Operations on buckets: buckets.py, and one module per configuration."""

from lowcloud.api.aws.services.s3.buckets import (
    acl,
    buckets,
    cors,
    defaults,
    encryption,
    lifecycle,
    notification,
    object_lock,
    ownership,
    policy,
    public_access,
    tagging,
    versioning,
)

__all__ = [
    "acl",
    "buckets",
    "cors",
    "defaults",
    "encryption",
    "lifecycle",
    "notification",
    "object_lock",
    "ownership",
    "policy",
    "public_access",
    "tagging",
    "versioning",
]
