"""Clients of a running cloud: boto3 clients for the CLI, and the botocore plugin that `lowcloud run` gives programs."""
