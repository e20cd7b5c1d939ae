"""Operations on multipart uploads."""

from lowcloud.aws.s3.multipart import lists, parts, uploads

__all__ = ["lists", "parts", "uploads"]
