"""Translation between the members of S3's requests and responses and the terms of core."""
