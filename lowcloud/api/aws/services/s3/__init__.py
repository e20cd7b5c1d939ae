"""S3: buckets, objects, listings and multipart uploads, one module per resource. Read operation.py first."""
