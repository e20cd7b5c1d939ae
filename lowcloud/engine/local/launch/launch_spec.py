"""The launch spec of one replica: what its supervisor (runtime/supervisor) runs, where, and in which sandbox."""

import json
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lowcloud import contract
from lowcloud.engine.local import gpus
from lowcloud.engine.local.environments import PythonEnvironment
from lowcloud.engine.local.launch.isolation import SandboxPolicy
from lowcloud.engine.local.replica import Owner, ReplicaFolder
from lowcloud.engine.local.sockets import ShortPaths
from lowcloud.engine.work import Work

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SOCKET = "http"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
BUILT_IN = "lowcloud.runtime."
SCRIPT = ("python", "-m", "lowcloud.runtime.training.script")  # starts the environment's interpreter itself
# Runs a module of this package with an interpreter that lacks it or has another version of it.
BOOTSTRAP = (
    "import runpy, sys; sys.path[0] = {library!r}; del sys.argv[0];"
    "runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)


@dataclass(frozen=True)
class BindMount:
    """A folder or file of the machine, and the path at which a replica with mount namespaces sees it."""

    source: Path
    target: str
    is_writable: bool = True


def build(
    work: Work,
    replica: ReplicaFolder,
    policy: SandboxPolicy,
    owner: Owner,
    short_paths: ShortPaths,
    addresses: dict[str, str],
    allocated_gpus: list[int],
    environment: PythonEnvironment | None = None,
) -> dict[str, Any]:
    """Build the launch spec. Nothing of the server's own environment reaches the program.

    `addresses` are those of all replicas of the work by name, as in the replica's hosts file.
    """
    number = int(replica.path.name)
    mounts = bind_mounts(replica, short_paths, environment)
    has_namespaces = policy.level.has_namespaces
    paths = {name: mount.target if has_namespaces else str(mount.source) for name, mount in mounts.items()}
    has_interpreter = environment is not None and not environment.is_being_built
    python = f"{paths['environment']}/bin/python" if has_interpreter else sys.executable
    interpreter = python if has_interpreter and not is_forked(work) else None
    visible = environment.required_folders if environment else ()
    name = secrets.token_hex(12)
    return {
        "name": name,
        "command": _with_bootstrap(work.command, paths["library"]) if interpreter else work.command,
        "interpreter": interpreter,
        "environment": {
            **general_variables(work),
            "PATH": f"{Path(python).parent}:{SYSTEM_PATH}",
            "LANG": "C.UTF-8",
            "HOME": paths["temporary"],
            "LOGNAME": "replica",  # for getpass.getuser(): no account has the replica's user id
            "TMPDIR": paths["temporary"],
            **gpus.variables(allocated_gpus, others_hidden=has_namespaces),
            **work.replicas[number].variables,
            **contract_variables(name, paths, addresses),  # last: users cannot override these
        },
        "directory": paths["base"],
        "disk_bytes": work.disk_bytes,
        "log_bytes": work.log_bytes,
        "container": None,
        "sandbox": {
            **policy.build_spec(
                owner, work.resources.memory_bytes, work.network, visible, gpus.hidden_devices(allocated_gpus)
            ),
            "cgroup": name,
            "hostname": list(addresses)[number],
            "writable_mounts": [(str(mount.source), mount.target) for mount in mounts.values() if mount.is_writable],
            "read_only_mounts": [
                (str(mount.source), mount.target) for mount in mounts.values() if not mount.is_writable
            ],
        },
    }


def is_forked(work: Work) -> bool:
    """Return whether a work's program runs in a fork of the warm parent rather than in a new interpreter."""
    return is_built_in(work.command) and (not work.environment or work.command[:3] == SCRIPT)


def is_built_in(command: tuple[str, ...]) -> bool:
    """Return whether a command runs a module of lowcloud.runtime."""
    return command[:2] == ("python", "-m") and command[2].startswith(BUILT_IN)


def bind_mounts(
    replica: ReplicaFolder, short_paths: ShortPaths, environment: PythonEnvironment | None = None
) -> dict[str, BindMount]:
    """Return what a replica sees of the machine in addition to the system's files, by purpose."""
    mounts = {
        "base": BindMount(replica.base, contract.DEFAULT_BASE_DIR),
        "temporary": BindMount(replica.temporary, "/tmp"),
        "var_tmp": BindMount(replica.temporary, "/var/tmp"),
        "socket": BindMount(short_paths.of(replica.socket), "/opt/lowcloud/socket"),
        "rendezvous": BindMount(short_paths.of(replica.rendezvous), "/opt/lowcloud/rendezvous"),
        "library": BindMount(replica.library, "/opt/lowcloud/library", is_writable=False),
        "hosts": BindMount(replica.hosts, "/etc/hosts", is_writable=False),
    }
    if environment is not None:
        target = str(environment.folder) if environment.is_users_own else "/opt/lowcloud/environment"
        mounts["environment"] = BindMount(environment.folder, target, is_writable=environment.is_being_built)
    return mounts


def general_variables(work: Work) -> dict[str, str]:
    """Return the variables of every program, wherever it runs."""
    threads = str(max(1, int(work.resources.cpus)))
    cpus = dict.fromkeys((contract.CPUS_VARIABLE, *THREAD_VARIABLES), threads)
    return {"PYTHONUNBUFFERED": "1", **cpus}  # unbuffered: live logs


def contract_variables(name: str, paths: dict[str, str], addresses: dict[str, str]) -> dict[str, str]:
    """Return the variables of lowcloud.contract."""
    return {
        contract.BASE_DIR_VARIABLE: paths["base"],
        contract.RENDEZVOUS_VARIABLE: paths["rendezvous"],
        contract.SOCKET_VARIABLE: f"{paths['socket']}/{SOCKET}",
        contract.REPLICA_VARIABLE: name,
        contract.HOSTS_VARIABLE: json.dumps(addresses),
        **({contract.ENVIRONMENT_VARIABLE: paths["environment"]} if "environment" in paths else {}),
    }


def _with_bootstrap(command: tuple[str, ...], library: str) -> tuple[str, ...]:
    return ("python", "-c", BOOTSTRAP.format(library=library), *command[2:]) if is_built_in(command) else command
