"""Operations on objects, one module for each thing one does with them."""

from lowcloud.api.aws.services.s3.objects import acl, attributes, copy, delete, lock, read, tagging, write

__all__ = ["acl", "attributes", "copy", "delete", "lock", "read", "tagging", "write"]
