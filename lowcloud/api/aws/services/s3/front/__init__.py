"""What S3 does before and around the common path of a request: its front hook."""
