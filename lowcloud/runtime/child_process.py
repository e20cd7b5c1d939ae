"""Runs a user's program as a child: passes its output on as it comes, keeps the end of it, and hands signals down."""

import contextlib
import errno
import os
import select
import shutil
import signal
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType

from lowcloud import contract
from lowcloud.runtime.errors import ClientError

READ_BYTES = 65536
READS = 32
TAIL_BYTES = 1 << 18
MESSAGE_CHARACTERS = 600  # of the traceback in a failure reason, which has 1,024 in all
LAST_LINES = 5  # that stand for an error where there is no traceback
TRACEBACK = "Traceback (most recent call last):"
SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")  # variables that no failure reason may tell
PACKAGE_FOLDERS = ("site-packages", "dist-packages", f"python3.{sys.version_info.minor}")
SIGNALLED = 128  # added to a signal's number, as a shell says it
# Its own process group keeps an engine's SIGTERM from coming twice. Elsewhere an engine can end a program by its group
# alone, and so signals all of it: nothing is left to pass on.
HAS_OWN_GROUP = sys.platform == "linux"


@dataclass(frozen=True)
class Ended:
    """How the child has ended, and the last that it printed."""

    exit_code: int
    tail: str


def run(command: Sequence[str], environment: Mapping[str, str], directory: Path) -> Ended:
    """Run the command to its end. Raises ClientError where it cannot be started.

    SIGTERM goes to the child alone, as it would to the first process of a container; a shell's children get it too,
    for a shell waits for them.
    """
    is_shell = Path(command[0]).name in ("sh", "bash")
    child = 0

    def pass_on(number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            if HAS_OWN_GROUP:
                os.killpg(child, number) if is_shell else os.kill(child, number)

    read_end, write_end = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))  # until there is somebody to pass it on to
    before = signal.signal(signal.SIGTERM, pass_on)
    try:
        child = _start(command, environment, directory, write_end)
        os.close(write_end)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
        return _follow(child, read_end)
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
        os.close(read_end)


def explain(base: Path, command: Sequence[str], ended: Ended) -> None:
    """Write why the program has failed to output/failure, unless it has done so itself."""
    if has_said(base):
        return
    signalled = signal_of(ended.exit_code)
    tail = without_secrets(ended.tail, [os.environ.get(name, "") for name in SECRETS])
    notes = f'\nExtraInfo "Killed by {signalled}"' if signalled else ""
    say(
        base,
        f'ExecuteUserScriptError:\nExitCode {ended.exit_code}\nErrorMessage "{error_in(tail)}"{notes}\n'
        f'Command "{" ".join(command)}"',
    )


def has_said(base: Path) -> bool:
    """Whether something that is not empty has the name output/failure."""
    try:
        facts = os.lstat(base / contract.FAILURE)
    except OSError:
        return False
    return facts.st_size > 0 or not stat.S_ISREG(facts.st_mode)


def say(base: Path, failure: str) -> None:
    """Write output/failure. Where the program has left something odd in its place, the log alone tells."""
    path = base / contract.FAILURE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        with os.fdopen(descriptor, "w", errors="backslashreplace") as file:
            file.write(failure)
    except OSError as error:
        print(f"output/failure cannot be written: {error}.", file=sys.stderr, flush=True)


def without_secrets(output: str, secrets: Sequence[str]) -> str:
    """The end of a program's output without keys, which many may read who should not have them, whole or cut."""
    for secret in filter(None, secrets):
        output = output.replace(secret, "***")
        cut = next((size for size in range(len(secret) - 1, 7, -1) if output.startswith(secret[-size:])), 0)
        output = output[cut:]
    return output


def signal_of(exit_code: int) -> str:
    """The signal that a program has ended by, in words; nothing where it ended by itself."""
    try:
        name = signal.Signals(exit_code - SIGNALLED).name
    except ValueError:
        return ""
    return f"{name}, as for want of memory" if name == "SIGKILL" else name


def error_in(output: str) -> str:
    """The last traceback in a program's output, else its last lines; a long one loses its middle."""
    start = output.rfind(TRACEBACK)
    lines = [line for line in output[max(start, 0) :].splitlines() if line.strip()]
    if start < 0:
        return "\n".join(lines[-LAST_LINES:])[-MESSAGE_CHARACTERS:]
    error = next((number for number, line in enumerate(lines[1:], 1) if not line[0].isspace()), len(lines))
    said = "\n".join(lines[error : error + LAST_LINES])[: MESSAGE_CHARACTERS // 2]
    frames = "\n".join(lines[1:error])
    room = MESSAGE_CHARACTERS - len(said)
    if len(frames) > room:
        frames = "\n".join(_frames_of_users(lines[1:error])) or frames
    if len(frames) > room:
        frames = "  ..." + frames[frames.find("\n", len(frames) - room) :]
    return "\n".join([TRACEBACK, frames, said])


def _frames_of_users(lines: Sequence[str]) -> Iterator[str]:
    """The lines of a traceback's frames that are in no installed package: there is what its reader can mend."""
    is_users = True
    for line in lines:
        if line.startswith('  File "'):
            is_users = not any(f"/{folder}/" in line for folder in PACKAGE_FOLDERS)
        if is_users:
            yield line


def _start(command: Sequence[str], environment: Mapping[str, str], directory: Path, output: int) -> int:
    path = shutil.which(command[0], path=environment.get("PATH"))
    if path is None:
        raise ClientError(f"There is no program {command[0]!r} here. PATH is {environment.get('PATH')}.")
    os.chdir(directory)
    spawn = partial(os.posix_spawn, setpgroup=0) if HAS_OWN_GROUP else os.posix_spawn
    try:
        return spawn(
            path,
            list(command),
            dict(environment),
            file_actions=[(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, output, 2)],
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),  # which Python ignores
        )
    except OSError as error:
        if error.errno == errno.E2BIG:
            raise ClientError(
                "The hyperparameters and the environment are longer than a program can be given."
            ) from error
        raise ClientError(f"{command[0]} cannot be started: {error.strerror}.") from error


def _follow(child: int, output: int) -> Ended:
    """Pass the child's output on until it has ended; what a grandchild prints after that is nobody's."""
    os.set_blocking(output, False)
    wakeup, alarm = os.pipe()
    os.set_blocking(alarm, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    before = signal.set_wakeup_fd(alarm, warn_on_full_buffer=False)
    tail = bytearray()
    sources = [output, wakeup]
    try:
        while True:
            ended, status = os.waitpid(child, os.WNOHANG)
            if output in sources and not _copy(output, tail):
                sources.remove(output)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                return Ended(code if code >= 0 else SIGNALLED - code, tail.decode(errors="replace"))
            ready, _, _ = select.select(sources, [], [])
            if wakeup in ready:
                os.read(wakeup, READ_BYTES)
    finally:
        signal.set_wakeup_fd(before)
        os.close(wakeup)
        os.close(alarm)


def _copy(output: int, tail: bytearray) -> bool:
    """Copy what there is; false once no more can come. Few reads at a time: some grandchildren print without end."""
    for _ in range(READS):
        try:
            data = os.read(output, READ_BYTES)
        except BlockingIOError:
            return True
        if not data:
            return False
        _write(data)
        tail += data
        if len(tail) > 2 * TAIL_BYTES:  # seldom, for it moves all that is kept
            del tail[:-TAIL_BYTES]
    return True


def _write(data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(1, rest) :]
