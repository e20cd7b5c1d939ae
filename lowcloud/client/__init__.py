"""Clients of a running cloud: botocore clients for the CLI and SDK, and the botocore plugin of `lowcloud run`."""
