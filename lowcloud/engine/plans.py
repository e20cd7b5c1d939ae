"""The plan of one replica: what its supervisor (runtime/supervise.py) is to run, where, and within which walls."""

import secrets
import sys
from pathlib import Path
from typing import Any

from lowcloud import contract
from lowcloud.engine import Work
from lowcloud.engine.isolation import Walls
from lowcloud.engine.replica import Owner, ReplicaFolder
from lowcloud.engine.sockets import ShortNames

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SOCKET = "http"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


def make(work: Work, replica: ReplicaFolder, walls: Walls, owner: Owner, short_names: ShortNames) -> dict[str, Any]:
    """The plan. Nothing of the server's own environment reaches the program."""
    outside = {
        "base": replica.base,
        "temporary": replica.temporary,
        "socket": short_names.of(replica.socket),
        "rendezvous": short_names.of(replica.rendezvous),
    }
    inside = {
        "base": contract.DEFAULT_BASE_DIR,
        "temporary": "/tmp",
        "socket": "/opt/lowcloud/socket",
        "rendezvous": "/opt/lowcloud/rendezvous",
    }
    seen = inside if walls.level.has_namespaces else {name: str(path) for name, path in outside.items()}
    name = secrets.token_hex(12)
    return {
        "name": name,
        "command": work.command,
        "environment": {
            **_environment(work, seen),
            **work.replicas[int(replica.path.name)].environment,
            **_contract(name, seen),  # last: what a user calls by these names must not lead elsewhere
        },
        "directory": seen["base"],
        "sandbox": {
            **walls.plan(owner, work.resources.memory_bytes, work.network),
            "cgroup": name,
            "binds": [*((str(outside[name]), inside[name]) for name in outside), (str(replica.temporary), "/var/tmp")],
        },
    }


def _environment(work: Work, seen: dict[str, str]) -> dict[str, str]:
    return {
        "PATH": f"{Path(sys.executable).parent}:{SYSTEM_PATH}",
        "LANG": "C.UTF-8",
        "HOME": seen["temporary"],
        "TMPDIR": seen["temporary"],
        "PYTHONUNBUFFERED": "1",  # live logs
        **dict.fromkeys(THREADS, str(max(1, int(work.resources.cpus)))),
    }


def _contract(name: str, seen: dict[str, str]) -> dict[str, str]:
    return {
        contract.BASE_DIR_VARIABLE: seen["base"],
        contract.RENDEZVOUS_VARIABLE: seen["rendezvous"],
        contract.SOCKET_VARIABLE: f"{seen['socket']}/{SOCKET}",
        contract.REPLICA_VARIABLE: name,
    }
