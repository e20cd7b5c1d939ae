"""The sandbox of one program, built from the engine's sandbox spec (engine/local/launch/isolation.py).

Spec: {uid, gid: int or null, namespaces: bool, landlock: bool, network: bool, memory_bytes: int, cgroup: name or null,
       hostname: name, hidden: [path], visible: [folder], writable_mounts: [[source, target]],
       read_only_mounts: [[source, target]]}

The writable mounts are the replica's own folders, the read-only mounts other folders and files for it. Folders in
`visible` can be seen even inside hidden ones.
"""

import contextlib
import errno
import os
import resource
import signal
import stat
from pathlib import Path
from typing import Any

from lowcloud.runtime import syscalls
from lowcloud.runtime.inputs.fuse import LARGEST_READ_BYTES
from lowcloud.runtime.sandbox import cgroup, landlock, network

PROCESS_LIMIT = 4096  # per uid, if the replica has its own
OPEN_FILES_LIMIT = 65536
OOM_SCORE = 500  # a machine that runs out of memory kills programs rather than the server
READ_AHEAD_KILOBYTES = 4096  # of lazily loaded files
COVER_OPTIONS = "mode=755,size=1m"


class Sandbox:
    """The sandbox of one replica. `enter` runs in the program's process, everything else in the supervisor."""

    def __init__(self, folder: Path, spec: dict[str, Any]):
        self.folder = folder
        self.spec = spec
        self.supervisor = os.getpid()
        self.fuse_mounts: list[tuple[int, str]] = []  # lazy folders: the open /dev/fuse and the target of each
        self.init_pid: int | None = None  # process 1 of the pid namespace
        has_group = spec["cgroup"] is not None and os.geteuid() == 0
        self.cgroup = cgroup.create(spec["cgroup"], spec["memory_bytes"]) if has_group else None

    def build(self) -> None:
        """Create what must exist before the program is forked."""
        syscalls.adopt_orphans()
        if self.spec["namespaces"]:
            if self.spec["network"]:
                network.enter_user_namespace()
            else:
                network.enter(self.folder)
            syscalls.unshare(syscalls.CLONE_NEWPID)
            self.init_pid = self._fork_init()

    def enter(self) -> None:
        """Move this process into the sandbox."""
        syscalls.die_with_parent(self.supervisor)
        with contextlib.suppress(OSError):  # not supported, or /proc is read-only
            Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))
        if self.cgroup:
            self.cgroup.join()
        if self.spec["namespaces"]:
            _enter_namespaces(self.spec, self.fuse_mounts)
        if syscalls.IS_LINUX:
            _set_limits(has_own_uid=self.spec["uid"] is not None)
        if self.spec["uid"] is not None:
            _become_user(self.spec["uid"], self.spec["gid"])
            syscalls.die_with_parent(self.supervisor)
        if self.spec["landlock"]:
            own = (source for source, _ in self.spec["writable_mounts"])
            read_only = (source for source, _ in self.spec["read_only_mounts"])
            landlock.restrict(self.spec["hidden"], (*self.spec["visible"], *read_only), own)
        if self.spec["namespaces"] or self.spec["landlock"] or self.spec["uid"] is not None:
            syscalls.drop_capabilities()
        os.umask(0o002)  # the replicas of a work share a group and, in the rendezvous folder, a socket

    def kill_descendants(self, program: int) -> None:
        """Kill and reap all descendants of the program, which has ended."""
        if self.init_pid is not None:
            os.kill(self.init_pid, signal.SIGKILL)  # the kernel then kills all processes of the namespace
        if not syscalls.IS_LINUX:  # where children cannot be listed, the process group must do
            with contextlib.suppress(ProcessLookupError):
                os.killpg(program, signal.SIGKILL)
        while True:
            for child in syscalls.children(os.getpid()):
                os.kill(child, signal.SIGKILL)
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                return

    def ran_out_of_memory(self) -> bool:
        """Return whether the kernel killed a process of this replica for its memory limit."""
        return self.cgroup is not None and self.cgroup.killed_for_memory()

    def clear(self) -> None:
        """Release the machine's resources."""
        if self.cgroup:
            self.cgroup.remove()

    def _fork_init(self) -> int:
        """Fork process 1 of the pid namespace: it reaps orphans, and killing it ends the namespace."""
        pid = os.fork()
        if pid == 0:
            syscalls.die_with_parent(self.supervisor)
            os.closerange(0, 1024)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            while True:
                signal.pause()
        return pid


def _enter_namespaces(spec: dict[str, Any], fuse_mounts: list[tuple[int, str]]) -> None:
    syscalls.unshare(syscalls.CLONE_NEWNS | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS)
    syscalls.set_hostname(spec["hostname"])
    syscalls.make_mounts_private()
    with contextlib.ExitStack() as opened:
        # Every source is opened before anything is covered, since a cover may hide it.
        visible = {folder: _open(folder, opened) for folder in spec["visible"]}
        sources = {
            target: _open(source, opened) for source, target in (*spec["writable_mounts"], *spec["read_only_mounts"])
        }
        _rebuild_opt(opened)
        if "/tmp" in sources:
            syscalls.bind_mount(sources.pop("/tmp"), "/tmp")
            _restore("/tmp", visible)
        inaccessible = _create_inaccessible_file(opened)
        for path in sorted(spec["hidden"]):  # a folder comes before those inside it
            if Path(path).is_dir():
                syscalls.mount_tmpfs(path, COVER_OPTIONS)
                _restore(path, visible)
            elif Path(path).exists():
                syscalls.bind_mount(inaccessible, path)
        for target, source in sources.items():
            _mount(source, target)
            if target == "/var/tmp":
                _restore(target, visible)
    for device, target in fuse_mounts:
        syscalls.mount_fuse(device, target, LARGEST_READ_BYTES)
        syscalls.set_read_ahead(target, READ_AHEAD_KILOBYTES)
        os.close(device)
    syscalls.mount_tmpfs("/dev/shm", "mode=1777")
    _make_mounts_read_only([*(target for _, target in spec["writable_mounts"]), "/dev/shm"])
    try:
        syscalls.mount_proc()
    except syscalls.UnsupportedError as error:  # in some containers, where the outer /proc stays mounted
        if error.errno not in (errno.EPERM, errno.EACCES):
            raise


def _make_mounts_read_only(writable: list[str]) -> None:
    try:
        syscalls.make_mounts_read_only(writable)
    except OSError as error:
        if error.errno != errno.ENOSYS:  # an older kernel: only file permissions restrict writing
            raise


def _rebuild_opt(opened: contextlib.ExitStack) -> None:
    """Cover /opt with a new folder, so that /opt/ml can be created, and restore in it what /opt contained."""
    entries = [(entry.path, entry.is_dir(follow_symlinks=False), entry.is_symlink()) for entry in os.scandir("/opt")]
    folders = {path: _open(path, opened) for path, is_folder, _ in entries if is_folder}
    links = {path: Path(path).readlink() for path, _, is_link in entries if is_link}
    syscalls.mount_tmpfs("/opt", COVER_OPTIONS)
    _restore("/opt", folders)
    for path, target in links.items():
        Path(path).symlink_to(target)


def _create_inaccessible_file(opened: contextlib.ExitStack) -> int:
    """Create a file without permissions, to cover other files with."""
    path = Path("/opt/.inaccessible")
    path.touch(mode=0)
    return _open(str(path), opened)


def _restore(cover: str, folders: dict[str, int]) -> None:
    """Mount the open folders again at their paths below a cover."""
    for folder, source in folders.items():
        if folder.startswith(cover + "/"):
            _mount(source, folder)


def _mount(source: int, target: str) -> None:
    if stat.S_ISDIR(os.fstat(source).st_mode):
        Path(target).mkdir(mode=0o755, parents=True, exist_ok=True)
    elif not Path(target).exists():  # a file can only be mounted on a file
        return
    syscalls.bind_mount(source, target)


def _open(path: str, opened: contextlib.ExitStack) -> int:
    descriptor = os.open(path, os.O_PATH)
    opened.callback(os.close, descriptor)
    return descriptor


def _set_limits(has_own_uid: bool) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = OPEN_FILES_LIMIT if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES_LIMIT)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    if has_own_uid:
        resource.setrlimit(resource.RLIMIT_NPROC, (PROCESS_LIMIT, PROCESS_LIMIT))


def _become_user(uid: int, gid: int) -> None:
    os.fchown(1, uid, gid)  # its output pipe, so that it can open /dev/stdout
    syscalls.become(uid, gid)
    syscalls.make_dumpable()
