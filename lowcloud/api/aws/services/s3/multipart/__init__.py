"""Operations on multipart uploads."""

from lowcloud.api.aws.services.s3.multipart import lists, parts, uploads

__all__ = ["lists", "parts", "uploads"]
