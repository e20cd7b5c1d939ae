"""The front of S3: work before and around the common path of a request."""
