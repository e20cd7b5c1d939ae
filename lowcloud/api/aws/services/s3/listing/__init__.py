"""Operations that list the content of a bucket."""

from lowcloud.api.aws.services.s3.listing import objects, versions

__all__ = ["objects", "versions"]
