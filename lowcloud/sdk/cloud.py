"""The cloud that the short way works with: that of the wired environment, or that of a home, started if need be."""

import difflib
import os
import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from lowcloud.home import launcher, server_process
from lowcloud.home import settings as settings_of
from lowcloud.sdk.errors import CloudUnreachableError, InvalidInputError, RefusedError, asking

ENDPOINT_VARIABLE = "AWS_ENDPOINT_URL"  # set inside `lowcloud run`
NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
STEM_CHARACTERS = 40  # of a name that is made up, before the time and the digits that make it unique


class Cloud:
    """Clients of one cloud, each made when it is first used, and the names that the short way uses there."""

    def __init__(self, endpoint: str, region: str, python: str, make_client: Callable[[str], Any]):
        """`python` is the folder of the Python that the server runs by, or "" where that is not known."""
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
        with asking():
            return str(self._make_client("sts").get_caller_identity()["Account"])

    @property
    def role(self) -> str:
        """The role that jobs act as."""
        return f"arn:aws:iam::{self.account}:role/{settings_of.EXECUTION_ROLE}"

    @cached_property
    def bucket(self) -> str:
        """Where data, code and models lie: the bucket that SageMaker's SDK uses too. It is made at its first use."""
        name = f"sagemaker-{self.region}-{self.account}"
        place = {"LocationConstraint": self.region} if self.region != "us-east-1" else {}
        try:
            with asking():
                self.s3.create_bucket(Bucket=name, **({"CreateBucketConfiguration": place} if place else {}))
        except RefusedError as refusal:
            if refusal.code != "BucketAlreadyOwnedByYou":
                raise
        return name


def connect(home: Path | str | None = None) -> Cloud:
    """The cloud of a home where one is named; else the one that this program is wired to, or that of LOWCLOUD_HOME.

    The cloud of a home is started where it does not run. Raises CloudUnreachableError.
    """
    endpoint = os.environ.get(ENDPOINT_VARIABLE)
    if endpoint and home is None:
        return _wired(endpoint)
    folder = settings_of.home_folder(os.environ, Path(home) if home else None)
    try:
        settings = settings_of.load(folder, os.environ)
        endpoint = launcher.ensure_running(settings)
    except (ValueError, OSError, launcher.CannotStartError) as error:
        raise CloudUnreachableError(str(error)) from None
    return _of_home(settings, endpoint)


def name_of(given: str | None, stem: str) -> str:
    """A name as the cloud takes it: the one given, else one made of a stem and the time. Raises InvalidInputError."""
    if given is None:
        plain = re.sub(r"[^a-zA-Z0-9]+", "-", stem).strip("-")[:STEM_CHARACTERS].strip("-") or "job"
        return f"{plain}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    if not NAME.fullmatch(given):
        raise InvalidInputError(f"{given!r} cannot be a name: take up to 63 letters, digits and hyphens between them.")
    return given


def check_instance_type(name: str) -> None:
    """Raises InvalidInputError where there is no such type."""
    from lowcloud.catalog.instances import INSTANCES

    if name not in INSTANCES:
        close = difflib.get_close_matches(name, INSTANCES, 1) or ["ml.m5.large"]
        raise InvalidInputError(f"There is no instance type {name!r}. Did you mean {close[0]!r}?")


@lru_cache(maxsize=4)
def _of_home(settings: settings_of.Settings, endpoint: str) -> Cloud:
    from lowcloud.client import aws_clients

    running = server_process.find_running(settings.home)
    python = running.python if running else ""
    return Cloud(endpoint, settings.region, python, lambda name: aws_clients.make_client(settings, endpoint, name))


@lru_cache(maxsize=4)
def _wired(endpoint: str) -> Cloud:
    from botocore.session import get_session

    from lowcloud.client.aws_clients import add_own_service

    session = get_session()
    add_own_service(session)
    region = session.get_config_variable("region") or settings_of.DEFAULT_REGION
    return Cloud(endpoint, region, _python_of(endpoint), lambda name: session.create_client(name, region_name=region))


def _python_of(endpoint: str) -> str:
    """The Python that a server runs by, where it is that of the home which this program knows."""
    running = server_process.find_running(settings_of.home_folder(os.environ))
    return running.python if running and running.endpoint == endpoint else ""
