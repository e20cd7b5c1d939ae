"""Python environments of jobs: which one a job needs, its key, and the work that builds it."""

import configparser
import hashlib
import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from lowcloud import contract
from lowcloud.core.context import Context
from lowcloud.core.environments.requirements import Requirements
from lowcloud.core.jobs import jobs
from lowcloud.core.scheduling import capacity
from lowcloud.core.serving import endpoints
from lowcloud.engine.work import Input, Phase, Replica, ReplicaStatus, StagingError, Work
from lowcloud.store.db import tables

BUILD_COMMAND = ("python", "-m", "lowcloud.runtime.environments.build")
KEY_CHARACTERS = 32
BUILD_SECONDS = 3600.0  # a setup.py may hang
DISK_BYTES = 50 << 30  # of one environment, with what its builder needs to make it
FAILURE_BYTES = 4096  # read of what a builder says of its failure
TOO_LATE = f"The Python environment was not built within {BUILD_SECONDS / 60:.0f} minutes; see the log."
UNSAID = "The Python environment could not be built; the log says why."
# How an installer reaches its index. Where it installs to, or what it leaves out, is not the server's user's to say.
INSTALLER_SETTINGS = (
    *("INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS", "NO_INDEX", "TRUSTED_HOST", "CERT", "CLIENT_CERT", "PROXY"),
    *("TIMEOUT", "DEFAULT_TIMEOUT", "RETRIES", "PRE", "PREFER_BINARY", "ONLY_BINARY", "NO_BINARY"),
)
CONNECTION_SETTINGS = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
)
UV_PREFIXES = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX", "UV_FIND_LINKS", "UV_INSECURE_HOST", "UV_NATIVE_TLS")
UV_NAMES = ("UV_NO_INDEX", "UV_HTTP_TIMEOUT", "UV_SYSTEM_CERTS", "UV_KEYRING_PROVIDER")
SAME_IN_UV = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_NO_INDEX": "UV_NO_INDEX",
    "PIP_TRUSTED_HOST": "UV_INSECURE_HOST",
}


class BuilderLostError(StagingError):
    """The machine, not what was asked for, has ended the builder."""


@dataclass(frozen=True)
class EnvironmentSpec:
    """What an environment holds beyond the interpreter that Lowcloud runs by."""

    requirements: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    code: str = ""  # a digest of the source archive where a requirement is a path in it

    @property
    def needs_code(self) -> bool:
        """Whether the source archive must lie at `code` while it is built."""
        return bool(self.code)


def of_job(framework: tuple[str, ...], asked: Requirements | None) -> EnvironmentSpec | None:
    """The environment of a framework's requirements and those of the job's own code; None where neither has any.

    What the job names itself, it gets as it says.
    """
    if asked is None:
        return EnvironmentSpec(framework) if framework else None
    own = {_distribution(line) for line in asked.lines}
    left = (line for line in framework if _distribution(line) not in own)
    return EnvironmentSpec((*left, *asked.lines), asked.constraints, asked.code)


def key(environment: EnvironmentSpec) -> str:
    """The same for what comes to the same: requirements, Python and the packages that lie beneath."""
    content = json.dumps([asdict(environment), sys.version, sys.platform, sys.prefix, _packages_beneath()])
    return hashlib.sha256(content.encode()).hexdigest()[:KEY_CHARACTERS]


def builder(context: Context, environment: EnvironmentSpec, code: Input | None = None) -> Work:
    """The work that builds an environment; `code` is the source archive, where the environment needs it."""
    assert code is not None or not environment.needs_code, "an environment that needs the code is built with it"
    name = key(environment)
    files = {contract.REQUIREMENTS: "\n".join(environment.requirements) + "\n"}
    if environment.constraints:
        files[contract.CONSTRAINTS] = "\n".join(environment.constraints) + "\n"
    replica = Replica(
        environment=index_settings(),
        files=files,
        archives=(code,) if code and environment.needs_code else (),
    )
    return Work(
        id=builder_id(name),
        command=BUILD_COMMAND,
        replicas=(replica,),
        resources=capacity.of_machine(context),
        network=True,
        builds=name,
        disk_bytes=DISK_BYTES,
    )


def is_ready(context: Context, name: str) -> bool:
    """Whether the environment that Work names so is there: none, a user's folder, or one that was built."""
    return not name or name.startswith("/") or context.engine.has_environment(name)


def build(context: Context, name: str, plan: Callable[[], Work], collect: Callable[[str, str], None]) -> bool:
    """Build the environment of a key, or go on with it; whether it is there.

    `plan` gives its builder, and `collect` moves what that prints, by its id and a name of this very run of it, to
    where its user reads it. Raises StagingError where it cannot be built.
    """
    if is_ready(context, name):
        return True
    work_id = builder_id(name)
    status = next(iter(context.engine.status(work_id)), ReplicaStatus(Phase.ABSENT))
    if status.phase in (Phase.ABSENT, Phase.STAGING):
        return _start(context, name, plan)
    collect(work_id, f"{work_id}@{status.started_at}")
    if status.phase not in (Phase.EXITED, Phase.LOST):
        if context.now() - (status.started_at or context.now()) <= BUILD_SECONDS:
            return False
        context.engine.remove(work_id)
        raise StagingError(TOO_LATE)
    if status.exit_code == 0:
        context.engine.publish_environment(work_id)
        context.engine.remove(work_id)
        return is_ready(context, name)  # else another has let it go before it was kept
    failure = _failure(context, work_id, status)
    context.engine.remove(work_id)
    if failure is not None:
        raise failure
    return _start(context, name, plan)


def let_go(context: Context, name: str) -> None:
    """End a builder that works for somebody who has gone, and for nobody else.

    One that has built all is only in the way: a server that was killed may have left it.
    """
    if name and not name.startswith("/") and name not in in_use(context):
        context.engine.remove(builder_id(name))


def in_use(context: Context) -> set[str]:
    """What jobs that have begun and endpoints that are wanted name for their environments, as Work does."""
    names: set[str] = set()
    with context.database.read() as connection:
        for table in (tables.training_jobs, tables.processing_jobs):
            column = table.c  # the first two conditions are those of an index
            begun = (column.admitted_at.is_not(None), column.due_at.is_not(None), column.ended_at.is_(None))
            query = select(column.progress).where(*begun, column.state != jobs.State.RESTARTING)
            names |= {progress.get("environment") or "" for progress in connection.scalars(query)}
        column = tables.endpoints.c
        wanted = select(column.progress).where(
            column.delete_requested.is_(False), column.state != endpoints.EndpointState.FAILED
        )
        for progress in connection.scalars(wanted):
            names |= set(progress.get("environments", {}).values())
    return names - {""}


def sweep(context: Context, _progress: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
    """The errand that deletes what nobody has used for long, once a day; see core.errands."""
    day = context.settings.day_seconds
    unused_since = context.now() - context.settings.environment_days * day
    old = {name for name, used_at in context.engine.environments().items() if used_at < unused_since}
    for name in sorted(old - in_use(context)):
        context.engine.delete_environment(name, unused_since)
    return {}, day


def builder_id(name: str) -> str:
    """The work that builds the environment of a key."""
    return f"environment/{name}"


def index_settings(given: Mapping[str, str] | None = None) -> dict[str, str]:
    """The server's user's settings of package indexes as variables, from pip's files and from `given` (os.environ).

    A program sees neither these files nor the server's environment.
    """
    given = os.environ if given is None else given
    found = {f"PIP_{name}": value for name, value in _pip_files(given) if name in INSTALLER_SETTINGS}
    for name, value in given.items():
        is_pip = name.startswith("PIP_") and name.removeprefix("PIP_") in INSTALLER_SETTINGS
        if is_pip or name in UV_NAMES or name.startswith(UV_PREFIXES) or name.upper() in CONNECTION_SETTINGS:
            found[name] = value
    for pip, uv in SAME_IN_UV.items():
        if pip in found and not any(name.startswith(uv) for name in given):
            found[uv] = found[pip]
    return found


def pip_configuration(given: Mapping[str, str] | None = None) -> str:
    """pip's part of the same as a file, for programs that install something themselves; "" where nothing is set.

    A file, for programs like to print their environment, and an index may be named with a password.
    """
    settings = {name: value for name, value in index_settings(given).items() if name.startswith("PIP_")}
    lines = [f"{name.removeprefix('PIP_').lower().replace('_', '-')} = {value}" for name, value in settings.items()]
    return "\n".join(["[global]", *lines, ""]) if lines else ""


def _failure(context: Context, work_id: str, status: ReplicaStatus) -> StagingError | None:
    """Why a builder has failed; None where a server that was killed had begun to remove it."""
    if status.phase == Phase.LOST:
        return BuilderLostError("The host was lost while the Python environment was built.")
    if status.reason == contract.DISK_FULL:
        return StagingError(f"The Python environment needs more than {DISK_BYTES >> 30} GB. Ask for fewer packages.")
    said = (context.engine.read_file(work_id, 0, contract.FAILURE, FAILURE_BYTES) or b"").decode(errors="replace")
    if said := said.strip().removeprefix("ClientError: "):
        return StagingError(said)
    was_ended = status.exit_code in (-signal.SIGTERM, -signal.SIGKILL) and not status.reason
    return None if was_ended else StagingError(UNSAID)


def _start(context: Context, name: str, plan: Callable[[], Work]) -> bool:
    try:
        context.engine.start(plan())
    except StagingError:
        if not is_ready(context, name):  # else another job's builder was quicker, and has gone
            raise
    return is_ready(context, name)


def _distribution(requirement: str) -> str:
    """The name that a requirement begins with, as indexes compare names."""
    named = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", named[0]).lower() if named else ""


def _pip_files(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Name and value of each setting in pip's configuration files; later ones count more."""
    for path in _pip_paths(given):
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(path.read_text())
        except (OSError, configparser.Error, UnicodeDecodeError):
            continue  # absent, hidden or broken: pip of the server's user says so better than a job can
        for section in ("global", "install"):
            if parser.has_section(section):
                for name, value in parser.items(section):
                    yield name.upper().replace("-", "_"), " ".join(value.split())


def _pip_paths(given: Mapping[str, str]) -> list[Path]:
    """Where pip looks, as https://pip.pypa.io/en/stable/topics/configuration/ says."""
    named = given.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    home = Path(given.get("HOME", "~")).expanduser()
    if sys.platform == "darwin":
        system, own = [Path("/Library/Application Support/pip")], home / "Library/Application Support/pip"
    else:
        folders = given.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")
        system = [*(Path(folder) / "pip" for folder in folders), Path("/etc")]
        own = Path(given.get("XDG_CONFIG_HOME", home / ".config")) / "pip"
    folders_in_order = [*system, home / ".pip", own, Path(sys.prefix)]
    return [*(folder / "pip.conf" for folder in folders_in_order), *([Path(named)] if named else [])]


def _packages_beneath() -> list[str]:
    """The packages beside this interpreter, by the names of their records, which hold their versions."""
    folders = [Path(folder) for folder in sys.path if folder.endswith(("site-packages", "dist-packages"))]
    return sorted(
        entry.name for folder in folders if folder.is_dir() for entry in folder.glob("*-info") if entry.is_dir()
    )
