"""The launch spec of a replica that is a container: the supervisor runs the client of Docker or Podman.

The client runs outside of the sandbox, since it must reach its daemon; the container isolates the program. Therefore
nothing that a user chooses may be interpreted as an option of the client, and no user variable that the client itself
reads may enter its environment.
"""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lowcloud import contract
from lowcloud.engine.local.launch.launch_spec import (
    SYSTEM_PATH,
    BindMount,
    bind_mounts,
    contract_variables,
    general_variables,
)
from lowcloud.engine.local.replica import ReplicaFolder
from lowcloud.engine.local.sockets import ShortPaths
from lowcloud.engine.work import StagingError, Work

CLIENTS = ("docker", "podman")

# Variables of the server that a client may need to find its settings and its daemon, and to pull an image.
INHERITED_VARIABLES = (
    *("HOME", "USER", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "TMPDIR"),
    *("DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT", "CONTAINER_HOST"),
    *("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR"),
)

# Prefixes and names of variables that a client, its libraries or its child processes may read, in any letter case.
CLIENT_PREFIXES = (
    *("DOCKER", "CONTAINER", "_CONTAINER", "PODMAN", "LIBPOD", "BUILDAH_", "BUILDKIT", "BUILDX_", "COMPOSE_", "CNI_"),
    *("NETAVARK", "STORAGE_", "REGISTRY_", "GNUPG", "GPG_", "SSH_", "SSL_", "OTEL_", "DBUS_", "NOTIFY_", "LISTEN_"),
    *("XDG_", "LD_", "DYLD_", "GLIBC_", "MALLOC_", "LC_"),
)
CLIENT_NAMES = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TEMP", "TMP", "TERM", "TZ", "TZDIR", "LANG", "LANGUAGE"),
    *("LOCPATH", "NLSPATH", "GCONV_PATH", "HOSTALIASES", "LOCALDOMAIN", "RES_OPTIONS", "KUBECONFIG", "NO_COLOR"),
    *("GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK", "GORACE", "GOCOVERDIR", "REQUEST_METHOD"),
)
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # Podman interprets an asterisk as a wildcard
PROCESS_LIMIT = 4096


def find_client() -> str:
    """Return the path of the client on this machine. Raises StagingError."""
    for client in CLIENTS:
        if path := shutil.which(client):
            return path
    raise StagingError("The image needs Docker or Podman, and neither is on the server's PATH. Install one of them.")


def build(
    work: Work,
    replica: ReplicaFolder,
    short_paths: ShortPaths,
    addresses: dict[str, str],
    allocated_gpus: list[int],
    readable_folders: tuple[Path, ...],
) -> dict[str, Any]:
    """Build the launch spec; see launch_spec.build. Readable folders are mounted at their own paths.

    Raises StagingError.
    """
    if work.environment or work.builds or work.serves:
        raise ValueError("A work with a container cannot have or build a Python environment, and cannot serve.")
    client, name = find_client(), f"lowcloud-{secrets.token_hex(12)}"
    mounts = {name: mount for name, mount in bind_mounts(replica, short_paths).items() if mount.is_writable}
    targets = {name: mount.target for name, mount in mounts.items()}
    variables = {
        **general_variables(work),
        **work.replicas[int(replica.path.name)].variables,
        **contract_variables(name, targets, addresses),
    }
    multiline = {name: value for name, value in variables.items() if not _is_line(value)}
    if refused := list(filter(_may_affect_client, multiline)):
        raise StagingError(
            f"The variable {refused[0]!r} of a container cannot have a value of several lines. Use another name."
        )
    options = [
        *("--name", name, "--log-driver", "none", "--workdir", contract.DEFAULT_BASE_DIR),
        *_limit_options(work),
        *_network_options(work, addresses, int(replica.path.name)),
        *_gpu_options(Path(client).name, allocated_gpus),
        *(f"--mount={_mount_option(mount)}" for mount in (*mounts.values(), *_read_only_mounts(readable_folders))),
        *_environment_options(replica, variables),
        *(() if os.geteuid() == 0 or Path(client).name == "podman" else (f"--user={os.geteuid()}:{os.getegid()}",)),
    ]
    entrypoint, *arguments = (*work.entrypoint, *work.command) if work.entrypoint else ("", *work.command)
    start = [f"--entrypoint={entrypoint}"] if entrypoint else []
    return {
        "name": name,
        "command": (client, "run", *options, *start, "--", work.container, *arguments),
        "interpreter": None,
        "environment": {
            **multiline,
            "PATH": SYSTEM_PATH,
            **{name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ},
        },
        "directory": str(replica.path),
        "disk_bytes": work.disk_bytes,
        "log_bytes": work.log_bytes,
        "container": {"client": client, "name": name},
        "sandbox": {
            **{"uid": None, "gid": None, "namespaces": False, "landlock": False, "network": True, "cgroup": None},
            **{"memory_bytes": 0, "hidden": [], "visible": [], "read_only_mounts": []},
            "writable_mounts": [(str(mount.source), mount.target) for mount in mounts.values()],
        },
    }


def _limit_options(work: Work) -> list[str]:
    memory = work.resources.memory_bytes
    return [
        f"--memory={memory}",
        f"--memory-swap={memory}",
        f"--shm-size={memory // 2}",
        f"--cpus={min(work.resources.cpus, os.cpu_count() or 1)}",
        f"--pids-limit={PROCESS_LIMIT}",
        "--security-opt=no-new-privileges",
        "--security-opt=label=disable",  # otherwise SELinux denies access to the replica's folders
    ]


def _network_options(work: Work, addresses: dict[str, str], number: int) -> list[str]:
    """Return the machine's network for a work with network access: the server listens on a loopback address there."""
    hostname = f"--hostname={list(addresses)[number]}"
    if not work.network:
        return [hostname, "--network=none"]
    return [hostname, "--network=host", *(f"--add-host={host}:{address}" for host, address in addresses.items())]


def _gpu_options(client: str, allocated: list[int]) -> list[str]:
    if client == "podman":
        return [f"--device=nvidia.com/gpu={number}" for number in allocated]
    return [f'--gpus="device={",".join(map(str, allocated))}"'] if allocated else []


def _read_only_mounts(folders: tuple[Path, ...]) -> Iterator[BindMount]:
    return (BindMount(folder, str(folder), is_writable=False) for folder in folders if folder.is_dir())


def _mount_option(mount: BindMount) -> str:
    """Format a mount in the clients' CSV format, whatever characters the path has."""
    fields = ["type=bind", f"source={mount.source}", f"target={mount.target}"]
    quoted = ('"{}"'.format(field.replace('"', '""')) for field in fields)
    return ",".join([*quoted, *(() if mount.is_writable else ("readonly",))])


def _environment_options(replica: ReplicaFolder, variables: dict[str, str]) -> list[str]:
    """Pass variables in a file, since every user of the machine can see the arguments of a process.

    The file name is relative, because Podman splits a path at commas. The file cannot contain values of several lines:
    the client reads those from its own environment, which other users cannot see.
    """
    path = replica.path / "container.env"
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in variables.items() if _is_line(value)))
    return [f"--env-file={path.name}", *(f"--env={name}" for name, value in variables.items() if not _is_line(value))]


def _may_affect_client(name: str) -> bool:
    upper = name.upper()
    is_known = upper in CLIENT_NAMES or upper.startswith(CLIENT_PREFIXES) or upper.endswith("_PROXY")
    return is_known or not VARIABLE_NAME.fullmatch(name)


def _is_line(value: str) -> bool:
    return "\n" not in value and "\r" not in value
