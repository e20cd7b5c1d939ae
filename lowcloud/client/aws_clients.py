"""botocore clients of a running cloud, and the environment in which a program's own clients use it."""

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

_LOADER = Loader(extra_search_paths=[str(API)])  # shared by all sessions, because it caches the models it reads


def make_client(settings: Settings, endpoint: str, service: str) -> Any:
    """Return a botocore client with the root key, which ignores the user's own AWS configuration."""
    variables = {name: (None, None, *rest) for name, (_, _, *rest) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()}
    session = botocore.session.Session(variables)
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
    """Let a botocore session create clients of "lowcloud", this cloud's own service."""
    session.register_component("data_loader", _LOADER)


ROOT = "root"  # the identity that may do everything in the account


class NoSuchIdentityError(Exception):
    """There is no user and no role of a name."""


def client_environment_of(
    settings: Settings, endpoint: str, base: Mapping[str, str], identity: str = EXECUTION_ROLE
) -> dict[str, str]:
    """Return `base` with the variables that make every AWS client use this cloud and nothing else.

    The user's own AWS variables and files are left out; the credentials are a session of the identity, a role or user.
    Raises NoSuchIdentityError.
    """
    client_environment.write_files(settings.home)
    kept = {name: value for name, value in base.items() if not name.startswith(("AWS_", "BOTO"))}
    keys = _keys_of(settings, endpoint, identity)
    configured = client_environment.variables(settings.home, endpoint, settings.region, keys, kept)
    return {**kept, **configured, "LOWCLOUD_HOME": str(settings.home)}


def changed_variables(environment: Mapping[str, str], base: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of an environment that are not in `base` or differ from it."""
    return {name: value for name, value in environment.items() if base.get(name) != value}


def _keys_of(settings: Settings, endpoint: str, identity: str) -> client_environment.ClientKeys:
    """Return the keys of the root, or temporary ones of the role of a name, or of the user if there is no such role."""
    if identity == ROOT:
        return client_environment.ClientKeys(settings.root_key.access_key_id, settings.root_key.secret_access_key, "")
    role, seconds = f"arn:aws:iam::{settings.account_id}:role/{EXECUTION_ROLE}", SESSION_SECONDS
    if identity != EXECUTION_ROLE:
        iam = make_client(settings, endpoint, "iam")
        try:
            found_role = iam.get_role(RoleName=identity)["Role"]
        except iam.exceptions.NoSuchEntityException:
            return _user_keys(settings, endpoint, identity)
        role, seconds = found_role["Arn"], found_role["MaxSessionDuration"]
    sts = make_client(settings, endpoint, "sts")
    session = sts.assume_role(RoleArn=role, RoleSessionName="lowcloud-run", DurationSeconds=seconds)
    found = session["Credentials"]
    return client_environment.ClientKeys(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])


def _user_keys(settings: Settings, endpoint: str, name: str) -> client_environment.ClientKeys:
    client = make_client(settings, endpoint, "lowcloud")
    try:
        found = client.create_user_session(UserName=name)
    except client.exceptions.ResourceNotFound as error:
        raise NoSuchIdentityError(f"There is no role or user named {name!r}; users: lowcloud users list.") from error
    return client_environment.ClientKeys(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
