"""Operations on objects, one module per kind of operation."""

from lowcloud.api.aws.services.s3.objects import acl, attributes, copy, delete, lock, read, tagging, write

__all__ = ["acl", "attributes", "copy", "delete", "lock", "read", "tagging", "write"]
