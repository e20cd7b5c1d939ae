"""The plan of one replica: what its supervisor (runtime/supervisor) is to run, where, and within which walls."""

import json
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lowcloud import contract
from lowcloud.engine.local import gpus
from lowcloud.engine.local.environments import PythonEnvironment
from lowcloud.engine.local.isolation import Walls
from lowcloud.engine.local.replica import Owner, ReplicaFolder
from lowcloud.engine.local.sockets import ShortNames
from lowcloud.engine.work import Work

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SOCKET = "http"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
BUILT_IN = "lowcloud.runtime."
SCRIPT = (
    "python",
    "-m",
    "lowcloud.runtime.training.script",
)  # needs no interpreter of an environment: it starts that itself
# Runs a module of this package by an interpreter that lacks it, or has another version of it.
BOOTSTRAP = (
    "import runpy, sys; sys.path[0] = {library!r}; del sys.argv[0];"
    "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)


@dataclass(frozen=True)
class Place:
    """A folder or file of the machine, and where a replica in namespaces of its own sees it."""

    outside: Path
    inside: str
    is_writable: bool = True


def make(
    work: Work,
    replica: ReplicaFolder,
    walls: Walls,
    owner: Owner,
    short_names: ShortNames,
    addresses: dict[str, str],
    given: list[int],
    environment: PythonEnvironment | None = None,
) -> dict[str, Any]:
    """The plan. Nothing of the server's own environment reaches the program.

    `addresses` are those of all replicas of the work by name, as in the replica's hosts file; `given` are its GPUs.
    """
    number = int(replica.path.name)
    parts = places(replica, short_names, environment)
    seen = {name: place.inside if walls.level.has_namespaces else str(place.outside) for name, place in parts.items()}
    has_interpreter = environment is not None and not environment.is_built
    python = f"{seen['environment']}/bin/python" if has_interpreter else sys.executable
    interpreter = python if has_interpreter and not is_forked(work) else None
    needs = environment.needs if environment else ()
    name = secrets.token_hex(12)
    return {
        "name": name,
        "command": _through_bootstrap(work.command, seen["library"]) if interpreter else work.command,
        "interpreter": interpreter,
        "environment": {
            **general_variables(work),
            "PATH": f"{Path(python).parent}:{SYSTEM_PATH}",
            "LANG": "C.UTF-8",
            "HOME": seen["temporary"],
            "LOGNAME": "replica",  # for programs that ask whose they are: no account has the number of their user
            "TMPDIR": seen["temporary"],
            **gpus.environment(given, are_alone=walls.level.has_namespaces),
            **work.replicas[number].environment,
            # Last, since what a user calls by these names must not lead elsewhere.
            **contract_variables(name, seen, addresses),
        },
        "directory": seen["base"],
        "disk_bytes": work.disk_bytes,
        "log_bytes": work.log_bytes,
        "container": None,
        "sandbox": {
            **walls.plan(owner, work.resources.memory_bytes, work.network, needs, gpus.hidden(given)),
            "cgroup": name,
            "hostname": list(addresses)[number],
            "binds": [(str(place.outside), place.inside) for place in parts.values() if place.is_writable],
            "shows": [(str(place.outside), place.inside) for place in parts.values() if not place.is_writable],
        },
    }


def is_forked(work: Work) -> bool:
    """Whether a work's program is a fork of the warm parent rather than a new interpreter."""
    return is_built_in(work.command) and (not work.environment or work.command[:3] == SCRIPT)


def is_built_in(command: tuple[str, ...]) -> bool:
    """Whether a command runs a module of lowcloud.runtime."""
    return command[:2] == ("python", "-m") and command[2].startswith(BUILT_IN)


def places(
    replica: ReplicaFolder, short_names: ShortNames, environment: PythonEnvironment | None = None
) -> dict[str, Place]:
    """What a replica sees of the machine beside the system, by its use."""
    found = {
        "base": Place(replica.base, contract.DEFAULT_BASE_DIR),
        "temporary": Place(replica.temporary, "/tmp"),
        "longer": Place(replica.temporary, "/var/tmp"),
        "socket": Place(short_names.of(replica.socket), "/opt/lowcloud/socket"),
        "rendezvous": Place(short_names.of(replica.rendezvous), "/opt/lowcloud/rendezvous"),
        "library": Place(replica.library, "/opt/lowcloud/library", is_writable=False),
        "hosts": Place(replica.hosts, "/etc/hosts", is_writable=False),
    }
    if environment is not None:
        inside = str(environment.folder) if environment.is_users else "/opt/lowcloud/environment"
        found["environment"] = Place(environment.folder, inside, is_writable=environment.is_built)
    return found


def general_variables(work: Work) -> dict[str, str]:
    """Those that any program gets, wherever it runs."""
    threads = str(max(1, int(work.resources.cpus)))
    shares = dict.fromkeys((contract.CPUS_VARIABLE, *THREADS), threads)
    return {"PYTHONUNBUFFERED": "1", **shares}  # unbuffered: live logs


def contract_variables(name: str, seen: dict[str, str], addresses: dict[str, str]) -> dict[str, str]:
    """Those of lowcloud.contract."""
    return {
        contract.BASE_DIR_VARIABLE: seen["base"],
        contract.RENDEZVOUS_VARIABLE: seen["rendezvous"],
        contract.SOCKET_VARIABLE: f"{seen['socket']}/{SOCKET}",
        contract.REPLICA_VARIABLE: name,
        contract.HOSTS_VARIABLE: json.dumps(addresses),
        **({contract.ENVIRONMENT_VARIABLE: seen["environment"]} if "environment" in seen else {}),
    }


def _through_bootstrap(command: tuple[str, ...], library: str) -> tuple[str, ...]:
    return ("python", "-c", BOOTSTRAP.format(library=library), *command[2:]) if is_built_in(command) else command
