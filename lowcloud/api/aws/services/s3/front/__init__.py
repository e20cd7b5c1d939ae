"""The front of S3: work before and around the common path of a request; importing it registers S3's front hook."""

from lowcloud.api.aws.services.s3.front import hook

__all__ = ["hook"]
