"""Operations that list what a bucket holds."""

from lowcloud.aws.s3.listing import objects, versions

__all__ = ["objects", "versions"]
