"""The URL at which a server answers, and clients of it that sign with the root key."""

import os
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

from lowcloud.client import aws_clients

REGION = "us-east-1"
ACCOUNT = "123456789012"
ROOT_KEY = "AKIATESTROOTKEY00000"
ROOT_SECRET = "a-secret-for-tests-only"
ENVIRONMENT = {
    "LOWCLOUD_ACCOUNT_ID": ACCOUNT,
    "LOWCLOUD_ROOT_ACCESS_KEY_ID": ROOT_KEY,
    "LOWCLOUD_ROOT_SECRET_ACCESS_KEY": ROOT_SECRET,
}


@dataclass(frozen=True)
class Endpoint:
    """A URL and the root key of the server behind it."""

    url: str
    access_key_id: str = ROOT_KEY
    secret_access_key: str = ROOT_SECRET

    def client(self, service: str, **options: Any) -> Any:
        """Return a boto3 client signed by root that leaves all checks to the server; `options` override.

        It never repeats a request: what a server answers is what the test sees.
        """
        config = {"retries": {"total_max_attempts": 1}, "parameter_validation": False, **options.pop("config", {})}
        defaults = {
            "endpoint_url": self.url,
            "region_name": REGION,
            "aws_access_key_id": self.access_key_id,
            "aws_secret_access_key": self.secret_access_key,
            "config": Config(**config),
        }
        return _session().client(service, **{**defaults, **options})

    @property
    def environment(self) -> dict[str, str]:
        """Variables for programs that read their AWS configuration from the environment."""
        return {
            "PATH": os.environ["PATH"],
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,  # what version 1 of the aws CLI reads
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@cache
def _session() -> boto3.Session:
    """The session of all clients: it reads each service model once, and knows Lowcloud's own service."""
    session = botocore.session.Session()
    aws_clients.add_own_service(session)
    return boto3.Session(botocore_session=session)
