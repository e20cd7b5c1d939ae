"""Buckets: their life in buckets.py, and one module for each family of their configurations."""

from lowcloud.aws.s3.buckets import (
    acl,
    buckets,
    defaults,
    encryption,
    object_lock,
    ownership,
    public_access,
    tagging,
    versioning,
)

__all__ = [
    "acl",
    "buckets",
    "defaults",
    "encryption",
    "object_lock",
    "ownership",
    "public_access",
    "tagging",
    "versioning",
]
