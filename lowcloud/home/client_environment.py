"""What turns a program's AWS clients to one cloud and to nothing else: a folder of small files, and variables."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

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


@dataclass(frozen=True)
class Keys:
    """Temporary keys of a role."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)


def folder(home: Path) -> Path:
    """Where the files of a home are. They hold no secret: programs of other users of this machine may read them."""
    return home / "client"


def lay_files(home: Path) -> None:
    """Write the files, where they are not there already."""
    files = {
        f"{PLUGIN}.py": Path(__file__).parents[1].joinpath("client", "plugin.py").read_text(),
        "config": CONFIGURATION,
        "credentials": "",
        "sagemaker.yaml": TELEMETRY_OFF,
    }
    place = folder(home)
    place.mkdir(exist_ok=True)
    place.chmod(0o755)
    for name, content in files.items():
        path = place / name
        if not path.exists() or path.read_text() != content:  # else a program that just reads it could find half
            path.write_text(content)
            path.chmod(0o644)


def variables(home: Path, endpoint: str, region: str, keys: Keys, base: Mapping[str, str]) -> dict[str, str]:
    """The variables of a program whose environment is otherwise `base`."""
    place = folder(home)
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",  # without it polars, obstore and deltalake refuse an endpoint that is not https
        "AWS_CONFIG_FILE": str(place / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(place / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
        "AWS_SESSION_TOKEN": keys.session_token,
        "BOTOCORE_EXPERIMENTAL__PLUGINS": f"lowcloud={PLUGIN}",
        "PYTHONPATH": os.pathsep.join([str(place), *filter(None, [base.get("PYTHONPATH")])]),
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(place / "sagemaker.yaml"),
        **_no_proxy(base),
    }


def _no_proxy(base: Mapping[str, str]) -> dict[str, str]:
    """No proxy between a program and this cloud. Clients differ in which spelling they read, so both say the same."""
    named = [host.strip() for name in NO_PROXY for host in base.get(name, "").split(",")]
    hosts = ",".join(dict.fromkeys([*filter(None, named), *LOCAL_HOSTS]))
    return dict.fromkeys(NO_PROXY, hosts)
