"""Clients of a running cloud: what `lowcloud run` gives a program, and the client the CLI itself uses."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES

from lowcloud import client_plugin
from lowcloud.settings import Settings

EXECUTION_ROLE = "LowcloudExecutionRole"
SESSION_SECONDS = 12 * 3600
PLUGIN = "lowcloud_client_plugin"
NO_PROXY = ("NO_PROXY", "no_proxy")
LOCAL_HOSTS = ("127.0.0.1", "localhost", ".localhost")
# Left to themselves, some clients presign with the abandoned Signature Version 2.
CONFIGURATION = """\
[default]
s3 =
    signature_version = s3v4
"""
TELEMETRY_OFF = """\
SchemaVersion: "1.0"
SageMaker:
  PythonSDK:
    Modules:
      TelemetryOptOut: true
"""


def make_client(settings: Settings, endpoint: str, service: str) -> Any:
    """A botocore client with the root key, deaf to whatever AWS configuration the user has."""
    deaf = {name: (None, None, *rest) for name, (_, _, *rest) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()}
    session = botocore.session.Session(deaf)
    for variable in ("config_file", "credentials_file"):
        session.set_config_variable(variable, os.devnull)
    return session.create_client(
        service,
        config=Config(proxies={}),
        region_name=settings.region,
        endpoint_url=endpoint,
        aws_access_key_id=settings.root_key.access_key_id,
        aws_secret_access_key=settings.root_key.secret_access_key,
    )


def environment(settings: Settings, endpoint: str, base: Mapping[str, str]) -> dict[str, str]:
    """`base` with every AWS client in it wired to this cloud and to nothing else.

    The user's own AWS variables and files are left out; the keys are a session of the execution role.
    """
    folder = _lay_files(settings.home / "client")
    kept = {name: value for name, value in base.items() if not name.startswith(("AWS_", "BOTO"))}
    return {**kept, **_wiring(folder, endpoint, kept), **_credentials(settings, endpoint), **_places(settings)}


def wiring_only(environment: Mapping[str, str], base: Mapping[str, str]) -> dict[str, str]:
    """The variables in which a wired environment differs from `base`."""
    return {name: value for name, value in environment.items() if base.get(name) != value}


def _lay_files(folder: Path) -> Path:
    files = {
        f"{PLUGIN}.py": Path(client_plugin.__file__).read_text(),
        "config": CONFIGURATION,
        "credentials": "",
        "sagemaker.yaml": TELEMETRY_OFF,
    }
    folder.mkdir(mode=0o700, exist_ok=True)
    for name, content in files.items():
        path = folder / name
        if not path.exists() or path.read_text() != content:  # else a program that just reads it could find half
            path.write_text(content)
    return folder


def _wiring(folder: Path, endpoint: str, base: Mapping[str, str]) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",  # without it polars, obstore and deltalake refuse an endpoint that is not https
        "AWS_CONFIG_FILE": str(folder / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "BOTOCORE_EXPERIMENTAL__PLUGINS": f"lowcloud={PLUGIN}",
        "PYTHONPATH": os.pathsep.join([str(folder), *filter(None, [base.get("PYTHONPATH")])]),
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(folder / "sagemaker.yaml"),
        **_no_proxy(base),
    }


def _no_proxy(base: Mapping[str, str]) -> dict[str, str]:
    """No proxy between a program and this cloud. Clients differ in which spelling they read, so both say the same."""
    named = [host.strip() for name in NO_PROXY for host in base.get(name, "").split(",")]
    hosts = ",".join(dict.fromkeys([*filter(None, named), *LOCAL_HOSTS]))
    return dict.fromkeys(NO_PROXY, hosts)


def _credentials(settings: Settings, endpoint: str) -> dict[str, str]:
    role = f"arn:aws:iam::{settings.account_id}:role/{EXECUTION_ROLE}"
    sts = make_client(settings, endpoint, "sts")
    session = sts.assume_role(RoleArn=role, RoleSessionName="lowcloud-run", DurationSeconds=SESSION_SECONDS)
    keys = session["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["SessionToken"],
    }


def _places(settings: Settings) -> dict[str, str]:
    return {
        "AWS_REGION": settings.region,
        "AWS_DEFAULT_REGION": settings.region,
        "LOWCLOUD_HOME": str(settings.home),
    }
