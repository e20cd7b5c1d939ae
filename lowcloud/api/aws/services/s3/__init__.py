"""S3: buckets, objects, listings and multipart uploads, one module per resource. Read operation.py first."""

from lowcloud.api.aws.services.s3 import buckets, front, listing, multipart, objects

__all__ = ["buckets", "front", "listing", "multipart", "objects"]
