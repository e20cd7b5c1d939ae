"""Operations that list what a bucket holds."""

from lowcloud.api.aws.services.s3.listing import objects, versions

__all__ = ["objects", "versions"]
