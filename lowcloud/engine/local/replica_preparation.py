"""Prepares replicas to be launched: stages their files and writes their launch specs.

It also finds out how strongly this machine can isolate replicas, by running probe programs.
"""

import errno
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lowcloud import contract
from lowcloud.engine.local import hosts
from lowcloud.engine.local.environments import Environments, PythonEnvironment
from lowcloud.engine.local.inputs import input_server, staging
from lowcloud.engine.local.inputs.input_server import InputServer
from lowcloud.engine.local.isolation_trials import IsolationTrials
from lowcloud.engine.local.launch import containers, isolation, launch_spec
from lowcloud.engine.local.launch.isolation import SandboxPolicy
from lowcloud.engine.local.launch.launcher import Launcher
from lowcloud.engine.local.replica import Owner, ReplicaFolder, StoppedError, delete_tree, write_record
from lowcloud.engine.local.sockets import ShortPaths
from lowcloud.engine.local.work_folders import WorkFolders
from lowcloud.engine.work import Fetch, Replica, Resources, StagingError, Work

PROBE_SECONDS = 60.0  # for an interpreter to start and end on a machine under load
PROBE_RESOURCES = Resources(cpus=1.0, memory_bytes=1 << 30)
# A program that can list one of the private folders that are its arguments fails.
PRIVACY_PROBE = """
import lowcloud, os, sys
for folder in sys.argv[1:]:
    try:
        os.listdir(folder)
    except OSError:
        continue
    sys.exit(f"{folder} is readable at this level")
"""


class ReplicaPreparation:
    """Prepares the replicas of one engine. No program sees `home`, except for its `readable_folders`."""

    def __init__(
        self,
        works: WorkFolders,
        fetch: Fetch,
        launcher: Launcher,
        inputs: InputServer,
        environments: Environments,
        short_paths: ShortPaths,
        home: Path,
        readable_folders: tuple[Path, ...],
    ):
        self._works = works
        self._fetch = fetch
        self._launcher = launcher
        self._inputs = inputs
        self._environments = environments
        self._short_paths = short_paths
        self._home = home
        self._readable_folders = readable_folders
        self._guard = threading.Lock()
        self._policy: SandboxPolicy | None = None
        self.trials = IsolationTrials(home, works.root, self._attempt)
        self._lazy_folder_failure: str | None = None  # None: not probed yet

    def prepare(self, work: Work, replica: ReplicaFolder) -> None:
        """Stage a replica's folder from the beginning: what an interrupted staging left is not trusted.

        Raises StagingError and EngineNotReadyError.
        """
        record = self._works.record(work.id)
        assert record is not None, "the work's record is written before its replicas"
        number = int(replica.path.name)
        policy = None if work.container else self.sandbox_policy()
        owner = (
            isolation.owner(policy.level, record["first_id"], number) if policy else Owner(os.geteuid(), os.getegid())
        )
        _check_input_size(work, number)
        try:
            replica.create(owner)
            content = self._replace_unsupported(work, replica)
            staging.stage_files(content, replica.base, self._fetch_for(replica), owner)
            addresses = hosts.addresses(self._works.root, record["first_id"], len(work.replicas))
            replica.write_hosts(hosts.hosts_file(addresses))
            gpus = record["gpus"][number]
            if policy is None:
                spec = containers.build(work, replica, self._short_paths, addresses, gpus, self._readable_folders)
            else:
                environment = self._environment_of(work, owner)
                spec = launch_spec.build(work, replica, policy, owner, self._short_paths, addresses, gpus, environment)
            if content.streams or content.lazy_folders:
                spec["feeder"] = input_server.build_feeder_spec(
                    replica, content, owner, spec["directory"], self._inputs.folder
                )
            write_record(replica.path / contract.LAUNCH_SPEC_FILE, spec)
        except StoppedError:
            replica.record_stop()

    def sandbox_policy(self) -> SandboxPolicy:
        """Return the policy of the isolation level in force. Raises EngineNotReadyError if it is not known now."""
        level = self.trials.level()
        if self._policy is None:  # takes a millisecond
            self._policy = self._policy_of(level)
        return self._policy

    def probe(self, policy: SandboxPolicy, content: Replica | None = None, code: str = PRIVACY_PROBE) -> str:
        """Return why no Python program can run under this policy, or "" if one can."""
        folder = self._works.new_trash_path()
        folder.mkdir(mode=0o700)
        replica = ReplicaFolder(folder / "0")
        try:
            owner = isolation.owner(policy.level, self._works.allocate_ids(1), 0)
            replica.create(owner)
            environment = {"PYTHONPATH": ":".join(sys.path)}
            private = (str(self._works.root), str(self._home / "keys"))
            work = Work(folder.name, ("python", "-c", code, *private), (Replica(environment),), PROBE_RESOURCES)
            replica.write_hosts("")
            spec = launch_spec.build(work, replica, policy, owner, self._short_paths, {hosts.name(0): "127.0.0.1"}, [])
            if content is not None:
                self._inputs.open()
                staging.stage_files(content, replica.base, self._fetch, owner)
                spec["feeder"] = input_server.build_feeder_spec(
                    replica, content, owner, spec["directory"], self._inputs.folder
                )
            write_record(replica.path / contract.LAUNCH_SPEC_FILE, spec)
            self._launcher.launch(replica.path, is_built_in=False)
            replica.wait_until_supervisor_ended(PROBE_SECONDS)
            return "" if replica.status().exit_code == 0 else replica.failure_reason()
        finally:
            with suppress(OSError, RuntimeError):  # it has not started, or cannot be ended; its folder is deleted later
                replica.request_stop(0.0)
                replica.wait_until_supervisor_ended()
            self.remove_short_paths(replica)
            delete_tree(folder)

    def remove_short_paths(self, replica: ReplicaFolder) -> None:
        """Remove the links to a replica's socket folders."""
        for folder in (replica.socket, replica.rendezvous):
            self._short_paths.remove(folder)

    def _attempt(self, level: isolation.Level) -> str:
        """Try a level, and return why it failed, or ""; see IsolationTrials."""
        if not level.relies_on_permissions:
            return self._probe_level(level)
        if folder := isolation.unreachable_parent(self._home):
            return f"{contract.UNSUPPORTED}{folder} is private, so other users cannot run programs below it"
        folders = filter(Path.is_dir, (self._home, self._works.root, self._home / "environments"))
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in folders}
        for path in modes:
            path.chmod(0o711)  # to pass, not to list
        if reason := self._probe_level(level):
            for path, mode in modes.items():
                path.chmod(mode)
        return reason

    def _probe_level(self, level: isolation.Level) -> str:
        try:
            return self.probe(self._policy_of(level))
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            is_refused = (
                level.has_own_uids and isinstance(error, OSError) and error.errno in (errno.EPERM, errno.EINVAL)
            )
            return f"{contract.UNSUPPORTED if is_refused else ''}{error}"  # refused: to give files to another user

    def _policy_of(self, level: isolation.Level) -> SandboxPolicy:
        return isolation.sandbox_policy(level, self._home, self._readable_folders)

    def _replace_unsupported(self, work: Work, replica: ReplicaFolder) -> Replica:
        """Return the replica's content with lazy folders replaced by files where they cannot be mounted."""
        content = work.replicas[int(replica.path.name)]
        if not content.lazy_folders:
            return content
        reason = "The program runs in a container." if work.container else self._probe_lazy_folders()
        return input_server.stage_as_files(content, replica, reason) if reason else content

    def _probe_lazy_folders(self) -> str:
        """Return why a replica cannot have lazy folders, or "" if it can; probed once."""
        policy = self.sandbox_policy()
        with self._guard:
            if self._lazy_folder_failure is None:
                self._lazy_folder_failure = (
                    self.probe(policy, *input_server.LAZY_FOLDER_PROBE)
                    if policy.level.has_namespaces
                    else "There are no namespaces."
                )
            return self._lazy_folder_failure

    def _environment_of(self, work: Work, owner: Owner) -> PythonEnvironment | None:
        if work.builds:
            return self._environments.create(work.builds, work.id, owner)
        return self._environments.find(work.environment)

    def _fetch_for(self, replica: ReplicaFolder) -> Fetch:
        """Return a Fetch of complete sources that ends when the replica is requested to stop."""

        def fetch(source: str, _start: int = 0, _end: int | None = None, /) -> Iterator[bytes]:
            for chunk in self._fetch(source):
                if replica.is_stop_requested:
                    raise StoppedError
                yield chunk

        return fetch


def _check_input_size(work: Work, number: int) -> None:
    size = sum(item.size_bytes for item in work.replicas[number].inputs)
    if work.disk_bytes and size > work.disk_bytes:
        raise StagingError(
            f"The inputs have {size:,} bytes, which exceeds the volume size of {work.disk_bytes:,} bytes."
        )
