"""The walls around one program, built from the engine's plan (engine/local/isolation.py).

Plan: {uid, gid: int or null, namespaces: bool, landlock: bool, network: bool, memory_bytes: int, cgroup: name or null,
       hostname: name, hide: [path], keep: [folder], binds: [[source, target]], shows: [[source, target]]}

`binds` are the replica's own folders, `shows` folders and files that it may read.
"""

import contextlib
import errno
import os
import resource
import signal
import socket
import stat
from pathlib import Path
from typing import Any

from lowcloud.runtime import syscalls
from lowcloud.runtime.inputs.fuse import LARGEST_READ_BYTES
from lowcloud.runtime.sandbox import cgroup, landlock, network

PROCESS_LIMIT = 4096  # for each uid of its own
OPEN_FILES_LIMIT = 65536
OOM_SCORE = 500  # a machine without memory takes it from programs rather than from the cloud
READ_AHEAD_KILOBYTES = 4096  # of files that come when they are read
COVER_OPTIONS = "mode=755,size=1m"


class Jail:
    """The walls of one replica. `enter` runs in the program, all else in the supervisor."""

    def __init__(self, folder: Path, plan: dict[str, Any]):
        self.folder = folder
        self.plan = plan
        self.supervisor = os.getpid()
        self.mounts: list[tuple[int, str]] = []  # file systems of our own: the device of each, and where to show it
        self.keeper: int | None = None  # process 1 of the pid namespace
        has_group = plan["cgroup"] is not None and os.geteuid() == 0
        self.cgroup = cgroup.make(plan["cgroup"], plan["memory_bytes"]) if has_group else None

    def build(self) -> None:
        """What must stand before the program is forked."""
        syscalls.adopt_orphans()
        if self.plan["namespaces"]:
            if self.plan["network"]:
                network.enter_user_namespace()
            else:
                network.enter(self.folder)
            syscalls.unshare(syscalls.CLONE_NEWPID)
            self.keeper = self._fork_keeper()

    def enter(self) -> None:
        """Shut this process in."""
        syscalls.die_with_parent(self.supervisor)
        with contextlib.suppress(OSError):  # some systems do not know it, or have /proc read-only
            Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))
        if self.cgroup:
            self.cgroup.join()
        if self.plan["namespaces"]:
            _enter_namespaces(self.plan, self.mounts)
        if syscalls.LINUX:
            _set_limits(has_own_uid=self.plan["uid"] is not None)
        if self.plan["uid"] is not None:
            _become_user(self.plan["uid"], self.plan["gid"])
            syscalls.die_with_parent(self.supervisor)
        if self.plan["landlock"]:
            own = (source for source, _ in self.plan["binds"])
            shown = (source for source, _ in self.plan["shows"])
            landlock.confine(self.plan["hide"], read=(*self.plan["keep"], *shown), write=own)
        if self.plan["namespaces"] or self.plan["landlock"]:
            syscalls.give_up_privileges()
        os.umask(0o002)  # the replicas of a work share a group and, in the rendezvous folder, a socket

    def end_everything(self, program: int) -> None:
        """Kill every process that descends from the program, which has ended, and wait for its end."""
        if self.keeper is not None:
            os.kill(self.keeper, signal.SIGKILL)  # the kernel ends the rest of its namespace with it
        if not syscalls.LINUX:  # who cannot list children has the program's group at least
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
        """Whether the kernel killed a process of this replica for its memory limit."""
        return self.cgroup is not None and self.cgroup.killed_for_memory()

    def clear(self) -> None:
        """Give back what was taken from the machine."""
        if self.cgroup:
            self.cgroup.remove()

    def _fork_keeper(self) -> int:
        """Process 1 of the pid namespace: it collects orphans and is killed when they all should end."""
        pid = os.fork()
        if pid == 0:
            syscalls.die_with_parent(self.supervisor)
            os.closerange(0, 1024)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            while True:
                signal.pause()
        return pid


def _enter_namespaces(plan: dict[str, Any], mounts: list[tuple[int, str]]) -> None:
    syscalls.unshare(syscalls.CLONE_NEWNS | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS)
    socket.sethostname(plan["hostname"])
    syscalls.make_mounts_private()
    with contextlib.ExitStack() as opened:
        # Every source is opened before the first cover, which may lie over it.
        kept = {folder: _open(folder, opened) for folder in plan["keep"]}
        own = {target: _open(source, opened) for source, target in (*plan["binds"], *plan["shows"])}
        _rebuild_opt(opened)
        if "/tmp" in own:
            syscalls.bind(own.pop("/tmp"), "/tmp")
            _restore("/tmp", kept)
        nothing = _make_nothing(opened)
        for path in sorted(plan["hide"]):  # an outer folder comes before those in it
            if Path(path).is_dir():
                syscalls.mount_memory(path, COVER_OPTIONS)
                _restore(path, kept)
            elif Path(path).exists():
                syscalls.bind(nothing, path)
        for target, source in own.items():
            _show(source, target)
            if target == "/var/tmp":
                _restore(target, kept)
    for device, target in mounts:
        syscalls.mount_fuse(device, target, LARGEST_READ_BYTES)
        syscalls.read_ahead(target, READ_AHEAD_KILOBYTES)
        os.close(device)
    syscalls.mount_memory("/dev/shm", "mode=1777")
    _make_read_only([*(target for _, target in plan["binds"]), "/dev/shm"])
    with contextlib.suppress(PermissionError):  # in some containers; the outer /proc then stays
        syscalls.mount_processes()


def _make_read_only(writable: list[str]) -> None:
    try:
        syscalls.make_read_only(writable)
    except OSError as error:
        if error.errno != errno.ENOSYS:  # an older kernel: the user's rights alone decide what can be written
            raise


def _rebuild_opt(opened: contextlib.ExitStack) -> None:
    """Cover /opt with a folder of our own, so that /opt/ml can be made in it, and show in it what was there before."""
    before = [(entry.path, entry.is_dir(follow_symlinks=False), entry.is_symlink()) for entry in os.scandir("/opt")]
    folders = {path: _open(path, opened) for path, is_folder, _ in before if is_folder}
    links = {path: Path(path).readlink() for path, _, is_link in before if is_link}
    syscalls.mount_memory("/opt", COVER_OPTIONS)
    _restore("/opt", folders)
    for path, target in links.items():
        Path(path).symlink_to(target)


def _make_nothing(opened: contextlib.ExitStack) -> int:
    """A file that nobody may open, to cover others with."""
    path = Path("/opt/.nothing")
    path.touch(mode=0)
    return _open(str(path), opened)


def _restore(cover: str, folders: dict[str, int]) -> None:
    """Show what was opened at its old place below a cover."""
    for folder, source in folders.items():
        if folder.startswith(cover + "/"):
            _show(source, folder)


def _show(source: int, target: str) -> None:
    if stat.S_ISDIR(os.fstat(source).st_mode):
        Path(target).mkdir(mode=0o755, parents=True, exist_ok=True)
    elif not Path(target).exists():  # a file takes the place of one alone
        return
    syscalls.bind(source, target)


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
    os.fchown(1, uid, gid)  # the pipe of its output, so that it can open /dev/stdout
    os.setgroups([gid])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    syscalls.let_own_files_be_seen()
