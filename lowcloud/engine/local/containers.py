"""The plan of a replica that is a container: the supervisor runs the client of Docker or Podman, and that the image.

The client runs outside of all walls, since it must reach its daemon, and the container's own are around the program. So
nothing that a user chooses could be taken for an option of it, and what reaches its environment has a name that means
nothing to it.
"""

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lowcloud import contract
from lowcloud.engine.local.launch_spec import SYSTEM_PATH, Place, contract_variables, general_variables, places
from lowcloud.engine.local.replica import ReplicaFolder
from lowcloud.engine.local.sockets import ShortNames
from lowcloud.engine.work import StagingError, Work

CLIENTS = ("docker", "podman")
# What a client may need of the server's environment to find its settings and its daemon, and to fetch an image.
PASSED_ON = (
    *("HOME", "USER", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "TMPDIR"),
    *("DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT", "CONTAINER_HOST"),
    *("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR"),
)
# What a client, its libraries or what it starts may read, in any case of letters: how names begin, and whole ones.
CLIENTS_PREFIXES = (
    *("DOCKER", "CONTAINER", "_CONTAINER", "PODMAN", "LIBPOD", "BUILDAH_", "BUILDKIT", "BUILDX_", "COMPOSE_", "CNI_"),
    *("NETAVARK", "STORAGE_", "REGISTRY_", "GNUPG", "GPG_", "SSH_", "SSL_", "OTEL_", "DBUS_", "NOTIFY_", "LISTEN_"),
    *("XDG_", "LD_", "DYLD_", "GLIBC_", "MALLOC_", "LC_"),
)
CLIENTS_NAMES = (
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TEMP", "TMP", "TERM", "TZ", "TZDIR", "LANG", "LANGUAGE"),
    *("LOCPATH", "NLSPATH", "GCONV_PATH", "HOSTALIASES", "LOCALDOMAIN", "RES_OPTIONS", "KUBECONFIG", "NO_COLOR"),
    *("GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK", "GORACE", "GOCOVERDIR", "REQUEST_METHOD"),
)
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # Podman takes an asterisk for any ending
PROCESS_LIMIT = 4096


def find_client() -> str:
    """The client on this machine. Raises StagingError."""
    for client in CLIENTS:
        if path := shutil.which(client):
            return path
    raise StagingError("The image needs Docker or Podman, and this machine has neither on its PATH.")


def make(
    work: Work,
    replica: ReplicaFolder,
    short_names: ShortNames,
    addresses: dict[str, str],
    given: list[int],
    shows: tuple[Path, ...],
) -> dict[str, Any]:
    """The plan; see plans.make. The folders `shows` are seen where they are. Raises StagingError."""
    if work.environment or work.builds or work.serves:
        raise ValueError("A container has a Python environment of its own, builds none here, and serves nothing yet.")
    client, name = find_client(), f"lowcloud-{secrets.token_hex(12)}"
    seen = {kind: place for kind, place in places(replica, short_names).items() if place.is_writable}
    inside = {kind: place.inside for kind, place in seen.items()}
    variables = {
        **general_variables(work),
        **work.replicas[int(replica.path.name)].environment,
        **contract_variables(name, inside, addresses),
    }
    texts = {name: value for name, value in variables.items() if not _is_line(value)}
    if refused := list(filter(_may_be_the_clients, texts)):
        raise StagingError(f"The variable {refused[0]!r} of a container cannot have several lines: use another name.")
    options = [
        *("--name", name, "--log-driver", "none", "--workdir", contract.DEFAULT_BASE_DIR),
        *_limits(work),
        *_network(work, addresses, int(replica.path.name)),
        *_gpus(Path(client).name, given),
        *(f"--mount={_mount(place)}" for place in (*seen.values(), *_shown(shows))),
        *_environment(replica, variables),
        *(() if os.geteuid() == 0 or Path(client).name == "podman" else (f"--user={os.geteuid()}:{os.getegid()}",)),
    ]
    entrypoint, *arguments = (*work.entrypoint, *work.command) if work.entrypoint else ("", *work.command)
    start = [f"--entrypoint={entrypoint}"] if entrypoint else []
    return {
        "name": name,
        "command": (client, "run", *options, *start, "--", work.container, *arguments),
        "interpreter": None,
        "environment": {
            **texts,
            "PATH": SYSTEM_PATH,
            **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
        },
        "directory": str(replica.path),
        "disk_bytes": work.disk_bytes,
        "log_bytes": work.log_bytes,
        "container": {"client": client, "name": name},
        "sandbox": {
            **{"uid": None, "gid": None, "namespaces": False, "landlock": False, "network": True, "cgroup": None},
            **{"memory_bytes": 0, "hide": [], "keep": [], "shows": []},
            "binds": [(str(place.outside), place.inside) for place in seen.values()],
        },
    }


def _limits(work: Work) -> list[str]:
    memory = work.resources.memory_bytes
    return [
        f"--memory={memory}",
        f"--memory-swap={memory}",
        f"--shm-size={memory // 2}",
        f"--cpus={min(work.resources.cpus, os.cpu_count() or 1)}",
        f"--pids-limit={PROCESS_LIMIT}",
        "--security-opt=no-new-privileges",
        "--security-opt=label=disable",  # SELinux would else refuse it the replica's folders
    ]


def _network(work: Work, addresses: dict[str, str], number: int) -> list[str]:
    """The machine's network, as for any replica that may use one: the cloud itself is at a loopback address of it."""
    hostname = f"--hostname={list(addresses)[number]}"
    if not work.network:
        return [hostname, "--network=none"]
    return [hostname, "--network=host", *(f"--add-host={host}:{address}" for host, address in addresses.items())]


def _gpus(client: str, given: list[int]) -> list[str]:
    if client == "podman":
        return [f"--device=nvidia.com/gpu={number}" for number in given]
    return [f'--gpus="device={",".join(map(str, given))}"'] if given else []


def _shown(folders: tuple[Path, ...]) -> Iterator[Place]:
    return (Place(folder, str(folder), is_writable=False) for folder in folders if folder.is_dir())


def _mount(place: Place) -> str:
    """In the clients' form of CSV, whatever characters the path has."""
    fields = ["type=bind", f"source={place.outside}", f"target={place.inside}"]
    quoted = ('"{}"'.format(field.replace('"', '""')) for field in fields)
    return ",".join([*quoted, *(() if place.is_writable else ("readonly",))])


def _environment(replica: ReplicaFolder, variables: dict[str, str]) -> list[str]:
    """By a file, since every user of the machine sees the arguments of a process.

    It is named as seen from the folder it is in, for Podman takes a comma in a path for the end of it. A file cannot
    hold several lines: such a value the client finds by its name in its own environment, which others cannot read.
    """
    path = replica.path / "container.env"
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in variables.items() if _is_line(value)))
    return [f"--env-file={path.name}", *(f"--env={name}" for name, value in variables.items() if not _is_line(value))]


def _may_be_the_clients(name: str) -> bool:
    upper = name.upper()
    is_known = upper in CLIENTS_NAMES or upper.startswith(CLIENTS_PREFIXES) or upper.endswith("_PROXY")
    return is_known or not NAME.fullmatch(name)


def _is_line(value: str) -> bool:
    return "\n" not in value and "\r" not in value
