"""Clients of a running cloud: what `lowcloud run` gives a program, and the client the CLI itself uses."""

import os
from collections.abc import Mapping
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES
from botocore.loaders import Loader

from lowcloud.api.aws.protocol.service_models import API
from lowcloud.home import client_environment
from lowcloud.home.settings import EXECUTION_ROLE, Settings

SESSION_SECONDS = 12 * 3600

_LOADER = Loader(extra_search_paths=[str(API)])  # one for all sessions: it remembers what it has read


def make_client(settings: Settings, endpoint: str, service: str) -> Any:
    """A botocore client with the root key, deaf to whatever AWS configuration the user has."""
    deaf = {name: (None, None, *rest) for name, (_, _, *rest) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()}
    session = botocore.session.Session(deaf)
    for variable in ("config_file", "credentials_file"):
        session.set_config_variable(variable, os.devnull)
    add_own_service(session)
    return session.create_client(
        service,
        config=Config(proxies={}),
        region_name=settings.region,
        endpoint_url=endpoint,
        aws_access_key_id=settings.root_key.access_key_id,
        aws_secret_access_key=settings.root_key.secret_access_key,
    )


def add_own_service(session: Any) -> None:
    """Let a botocore session make clients of "lowcloud", the service of this cloud's own."""
    session.register_component("data_loader", _LOADER)


def environment(settings: Settings, endpoint: str, base: Mapping[str, str]) -> dict[str, str]:
    """`base` with every AWS client in it wired to this cloud and to nothing else.

    The user's own AWS variables and files are left out; the keys are a session of the execution role.
    """
    client_environment.lay_files(settings.home)
    kept = {name: value for name, value in base.items() if not name.startswith(("AWS_", "BOTO"))}
    keys = _keys(settings, endpoint)
    wired = client_environment.variables(settings.home, endpoint, settings.region, keys, kept)
    return {**kept, **wired, "LOWCLOUD_HOME": str(settings.home)}


def wiring_only(environment: Mapping[str, str], base: Mapping[str, str]) -> dict[str, str]:
    """The variables in which a wired environment differs from `base`."""
    return {name: value for name, value in environment.items() if base.get(name) != value}


def _keys(settings: Settings, endpoint: str) -> client_environment.Keys:
    role = f"arn:aws:iam::{settings.account_id}:role/{EXECUTION_ROLE}"
    sts = make_client(settings, endpoint, "sts")
    session = sts.assume_role(RoleArn=role, RoleSessionName="lowcloud-run", DurationSeconds=SESSION_SECONDS)
    keys = session["Credentials"]
    return client_environment.Keys(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
