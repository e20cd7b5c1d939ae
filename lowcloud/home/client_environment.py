"""The files and environment variables that make all AWS clients of a program use this cloud and nothing else."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PLUGIN = "lowcloud_client_plugin"
NO_PROXY = ("NO_PROXY", "no_proxy")
LOCAL_HOSTS = ("127.0.0.1", "localhost", ".localhost")
# By default some clients still presign with the obsolete Signature Version 2.
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


@dataclass(frozen=True)
class ClientKeys:
    """The credentials of a client. Those of the root of the account are not temporary, and have no token."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)


def folder(home: Path) -> Path:
    """Return the folder of these files. They hold no secrets, and other users of this machine may read them."""
    return home / "client"


def write_files(home: Path) -> None:
    """Write the files that are missing or have changed."""
    files = {
        f"{PLUGIN}.py": Path(__file__).parents[1].joinpath("client", "plugin.py").read_text(),
        "config": CONFIGURATION,
        "credentials": "",
        "sagemaker.yaml": TELEMETRY_OFF,
    }
    target = folder(home)
    target.mkdir(exist_ok=True)
    target.chmod(0o755)
    for name, content in files.items():
        path = target / name
        if not path.exists() or path.read_text() != content:  # a program may be reading it
            path.write_text(content)
            path.chmod(0o644)


def variables(
    home: Path, endpoint: str, region: str, keys: ClientKeys | None, base: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables to set for a program whose environment is otherwise `base`.

    Without keys the program gets its credentials in another way.
    """
    files = folder(home)
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",  # polars, obstore and deltalake refuse a plain http endpoint without it
        "AWS_CONFIG_FILE": str(files / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(files / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        **(_key_variables(keys) if keys else {}),
        "BOTOCORE_EXPERIMENTAL__PLUGINS": f"lowcloud={PLUGIN}",
        "PYTHONPATH": os.pathsep.join([str(files), *filter(None, [base.get("PYTHONPATH")])]),
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(files / "sagemaker.yaml"),
        # Several lines at every run, which say nothing about the program.
        "SAGEMAKER_SUPPRESS_V2_WARNING": base.get("SAGEMAKER_SUPPRESS_V2_WARNING", "1"),
        **_no_proxy(base),
    }


def _key_variables(keys: ClientKeys) -> dict[str, str]:
    found = {"AWS_ACCESS_KEY_ID": keys.access_key_id, "AWS_SECRET_ACCESS_KEY": keys.secret_access_key}
    return {**found, "AWS_SESSION_TOKEN": keys.session_token} if keys.session_token else found


def _no_proxy(base: Mapping[str, str]) -> dict[str, str]:
    """Exempt this cloud from proxies. Clients differ in which spelling they read, so both are set."""
    given = [host.strip() for name in NO_PROXY for host in base.get(name, "").split(",")]
    hosts = ",".join(dict.fromkeys([*filter(None, given), *LOCAL_HOSTS]))
    return dict.fromkeys(NO_PROXY, hosts)
