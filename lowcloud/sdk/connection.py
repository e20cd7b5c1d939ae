"""The connection of the SDK to a cloud: the one of `lowcloud run`, or that of a home, which is started if necessary."""

import logging
import os
import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from lowcloud.home import launcher, server_process
from lowcloud.home import settings as home_settings
from lowcloud.schemas.spelling import did_you_mean
from lowcloud.sdk.errors import CloudUnreachableError, InvalidInputError, RefusedError, translate_errors

ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL"  # set inside `lowcloud run`
# They say at the level INFO where credentials and endpoints come from: that is `lowcloud run`.
CHATTY_LOGGERS = ("botocore.client", "botocore.configprovider", "botocore.credentials")
NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
PREFIX_CHARACTERS = 40  # of a generated name, before the time and the random digits


class Cloud:
    """Clients of one cloud, each created when it is first used, and the role and bucket that the SDK uses there."""

    def __init__(
        self, endpoint: str, region: str, python: str, make_client: Callable[[str], Any], home: str | Path | None = None
    ):
        """`python` is sys.prefix of the server's Python, or "" if it is unknown; `home` is the one that was chosen."""
        self.home_option = f" --home {home}" if home else ""  # of the commands that messages suggest
        self.endpoint = endpoint
        self.region = region
        self.python = python
        self._make_client = make_client

    def __repr__(self) -> str:
        return f"<Cloud at {self.endpoint}>"

    @cached_property
    def s3(self) -> Any:
        return self._make_client("s3")

    @cached_property
    def sagemaker(self) -> Any:
        return self._make_client("sagemaker")

    @cached_property
    def runtime(self) -> Any:
        return self._make_client("sagemaker-runtime")

    @cached_property
    def logs(self) -> Any:
        return self._make_client("logs")

    @cached_property
    def cloudwatch(self) -> Any:
        return self._make_client("cloudwatch")

    @cached_property
    def lowcloud(self) -> Any:
        return self._make_client("lowcloud")

    @cached_property
    def account(self) -> str:
        with translate_errors():
            return str(self._make_client("sts").get_caller_identity()["Account"])

    @property
    def role(self) -> str:
        """The execution role of jobs."""
        return f"arn:aws:iam::{self.account}:role/{home_settings.EXECUTION_ROLE}"

    @cached_property
    def bucket(self) -> str:
        """The bucket for data, code and models, which SageMaker's SDK uses too. Created when it is first used."""
        name = f"sagemaker-{self.region}-{self.account}"
        location = {"LocationConstraint": self.region} if self.region != "us-east-1" else {}
        try:
            with translate_errors():
                self.s3.create_bucket(Bucket=name, **({"CreateBucketConfiguration": location} if location else {}))
        except RefusedError as refusal:
            if refusal.code != "BucketAlreadyOwnedByYou":
                raise
        return name


def connect(home: Path | str | None = None) -> Cloud:
    """Connect to the cloud of a home; by default that of `lowcloud run`, otherwise that of LOWCLOUD_HOME.

    The server of a home is started if it is not running. Raises CloudUnreachableError.
    """
    endpoint = os.environ.get(ENDPOINT_VARIABLE)
    if endpoint and home is None:
        return _from_environment(endpoint)
    try:
        folder = home_settings.home_folder(os.environ, Path(home) if home else None)
        settings = home_settings.load(folder, os.environ)
        endpoint = launcher.ensure_running(settings)
    except (ValueError, OSError, launcher.CannotStartError) as error:
        raise CloudUnreachableError(str(error)) from None
    return _from_home(settings, endpoint, home)


def make_name(given: str | None, prefix: str) -> str:
    """Return the given name, or one generated from a prefix and the time. Raises InvalidInputError."""
    if given is None:
        plain = re.sub(r"[^a-zA-Z0-9]+", "-", prefix).strip("-")[:PREFIX_CHARACTERS].strip("-") or "job"
        return f"{plain}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    if not NAME.fullmatch(given):
        raise InvalidInputError(
            f"{given!r} is not a valid name: use up to 63 letters, digits, and hyphens between them."
        )
    return given


def check_instance_type(name: str) -> None:
    """Raise InvalidInputError if there is no such type."""
    from lowcloud.catalog.instances import INSTANCES

    if name not in INSTANCES:
        hint = did_you_mean(name, INSTANCES, "The default is 'ml.m5.large'.")
        raise InvalidInputError(f"There is no instance type {name!r}. {hint}")


@lru_cache(maxsize=4)
def _from_home(settings: home_settings.Settings, endpoint: str, home: str | Path | None) -> Cloud:
    from lowcloud.client import aws_clients

    running = server_process.find_running(settings.home)
    python = running.python if running else ""
    return Cloud(
        endpoint, settings.region, python, lambda name: aws_clients.make_client(settings, endpoint, name), home
    )


@lru_cache(maxsize=4)
def _from_environment(endpoint: str) -> Cloud:
    from botocore.session import get_session

    from lowcloud.client.aws_clients import add_own_service

    for name in CHATTY_LOGGERS:
        if logging.getLogger(name).level == logging.NOTSET:
            logging.getLogger(name).setLevel(logging.WARNING)
    session = get_session()
    add_own_service(session)
    region = session.get_config_variable("region") or home_settings.DEFAULT_REGION
    return Cloud(endpoint, region, _python_of(endpoint), lambda name: session.create_client(name, region_name=region))


def _python_of(endpoint: str) -> str:
    """Return sys.prefix of the server's Python, if the server is that of the home in the environment."""
    running = server_process.find_running(home_settings.home_folder(os.environ))
    return running.python if running and running.endpoint == endpoint else ""
