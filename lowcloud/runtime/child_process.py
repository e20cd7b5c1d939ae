"""Runs a user's program as a child process: forwards its output and signals, and explains its failure."""

import contextlib
import errno
import os
import re
import select
import shutil
import signal
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from pathlib import Path
from types import FrameType

from lowcloud import contract
from lowcloud.runtime.errors import ClientError

READ_BYTES = 65536
READS_PER_TURN = 32
TAIL_BYTES = 1 << 18
MESSAGE_CHARACTERS = 600  # of the traceback in a failure reason, which has at most 1,024
LAST_LINES = 5  # reported as the error if there is no traceback
TRACEBACK = "Traceback (most recent call last):"
# A program that started the one with the error reports only that it has failed: Python's subprocess, torchrun, and the
# drivers of the SageMaker SDK 3, which write that to output/failure.
OTHERS_FAILURES = ("CalledProcessError:", "ChildFailedError:", "Training Execution failed. For more details")
FAILURE_BYTES = 4096  # read of output/failure
RANK = re.compile(r"\[rank\d+\]: ")  # before each line of a traceback of PyTorch's processes
SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")  # variables whose values must not appear in a failure reason
PACKAGE_FOLDERS = ("site-packages", "dist-packages", f"python3.{sys.version_info.minor}")
SIGNAL_EXIT_BASE = 128  # added to a signal's number, as shells do

# With its own process group the child does not receive the engine's SIGTERM twice. On other systems the engine signals
# the whole process group, and nothing has to be forwarded.
HAS_OWN_GROUP = sys.platform == "linux"


@dataclass(frozen=True)
class ChildResult:
    """The exit code of the child and the end of its output."""

    exit_code: int
    tail: str
    error_tail: str = ""  # of stderr alone, if it was asked for


def run(
    command: Sequence[str], environment: Mapping[str, str], directory: Path, keeps_errors_apart: bool = False
) -> ChildResult:
    """Run the command to its end. Raises ClientError if it cannot be started.

    With `keeps_errors_apart`, stdout and stderr are two pipes, as in a container: the end of stderr is known, but lines
    that are written to both within a moment may change places in the log.

    SIGTERM is forwarded to the child only, as to the first process of a container; a shell's children receive it too,
    because a shell waits for them before it handles signals.
    """
    is_shell = Path(command[0]).name in ("sh", "bash")
    child = 0

    def forward(number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            if HAS_OWN_GROUP:
                os.killpg(child, number) if is_shell else os.kill(child, number)

    output, output_end = os.pipe()
    errors, errors_end = os.pipe() if keeps_errors_apart else (output, output_end)
    ends = {output_end, errors_end}
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))  # until the child exists
    previous_handler = signal.signal(signal.SIGTERM, forward)
    try:
        child = _start(command, environment, directory, output_end, errors_end)
        while ends:
            os.close(ends.pop())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
        return _follow(child, output, errors)
    finally:
        signal.signal(signal.SIGTERM, previous_handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
        for end in {output, errors, *ends}:
            os.close(end)


def report_failure(base: Path, command: Sequence[str], result: ChildResult) -> None:
    """Write why the program has failed to output/failure, unless it has done so itself.

    What it says only of a program that it had started is replaced by that program's traceback, if the log has one.
    """
    if has_failure_file(base) and not (_names_other_program(base) and _own_traceback(result.tail)):
        return
    signal_name = describe_signal(result.exit_code)
    secrets = [os.environ.get(name, "") for name in SECRETS]
    tail = remove_secrets(result.tail, secrets)
    if TRACEBACK not in tail and result.error_tail.strip():
        tail = remove_secrets(result.error_tail, secrets)
    notes = f'\nExtraInfo "Killed by {signal_name}"' if signal_name else ""
    write_failure(
        base,
        f'ExecuteUserScriptError:\nExitCode {result.exit_code}\nErrorMessage "{extract_error(tail)}"{notes}\n'
        f'Command "{" ".join(command)}"',
    )


def has_failure_file(base: Path) -> bool:
    """Return whether output/failure exists and is not an empty file."""
    try:
        status = os.lstat(base / contract.FAILURE)
    except OSError:
        return False
    return status.st_size > 0 or not stat.S_ISREG(status.st_mode)


def write_failure(base: Path, failure: str) -> None:
    """Write output/failure; if the program has left something else in its place, only log that."""
    path = base / contract.FAILURE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        with os.fdopen(descriptor, "w", errors="backslashreplace") as file:
            file.write(failure)
    except OSError as error:
        print(f"output/failure cannot be written: {error}.", file=sys.stderr, flush=True)


def remove_secrets(output: str, secrets: Sequence[str]) -> str:
    """Remove secrets from the end of a program's output, also one that is cut off at the beginning."""
    for secret in filter(None, secrets):
        output = output.replace(secret, "***")
        cut = next((size for size in range(len(secret) - 1, 7, -1) if output.startswith(secret[-size:])), 0)
        output = output[cut:]
    return output


def describe_signal(exit_code: int) -> str:
    """Return the name of the signal that ended a program; "" if none did."""
    try:
        name = signal.Signals(exit_code - SIGNAL_EXIT_BASE).name
    except ValueError:
        return ""
    return f"{name}, possibly because it ran out of memory" if name == "SIGKILL" else name


def extract_error(output: str) -> str:
    """Return a program's traceback from its output, shortened in the middle, or its last lines if there is none.

    It is the last one that is not about another program's failure.
    """
    if TRACEBACK not in output:
        lines = [line for line in output.splitlines() if line.strip()]
        return "\n".join(lines[-LAST_LINES:])[-MESSAGE_CHARACTERS:]
    lines = _own_traceback(output) or next(_tracebacks(output))
    error = _error_line(lines)
    message = "\n".join(lines[error : error + LAST_LINES])[: MESSAGE_CHARACTERS // 2]
    frames = "\n".join(lines[:error])
    limit = MESSAGE_CHARACTERS - len(message)
    if len(frames) > limit:
        frames = "\n".join(_user_frames(lines[:error])) or frames
    if len(frames) > limit:
        frames = "  ..." + frames[frames.find("\n", len(frames) - limit) :]
    return "\n".join([TRACEBACK, frames, message])


def _own_traceback(output: str) -> list[str]:
    """Return the last traceback that is not about another program's failure; nothing if there is none."""
    for lines in _tracebacks(output):
        error = _error_line(lines)
        if error < len(lines) and not any(name in lines[error] for name in OTHERS_FAILURES):
            return lines
    return []


def _tracebacks(output: str) -> Iterator[list[str]]:
    """Yield the lines after the head of each traceback, the last traceback first, without the prefixes of ranks."""
    lines = output.splitlines()
    for head in reversed([number for number, line in enumerate(lines) if TRACEBACK in line]):
        found = RANK.match(lines[head])
        prefix = found[0] if found else ""
        own = (line for line in lines[head + 1 :] if line.startswith(prefix))
        block = takewhile(lambda line: TRACEBACK not in line, own)
        yield [line.removeprefix(prefix) for line in block if line.removeprefix(prefix).strip()]


def _error_line(lines: Sequence[str]) -> int:
    """Return which of a traceback's lines has the error: the first after the frames.

    Frames are indented, except in the logs of drivers that strip the lines of a script.
    """
    was_place = False
    for number, line in enumerate(lines):
        is_place = line.startswith('File "')
        if not (line[0].isspace() or is_place or was_place or set(line) <= {"~", "^"}):
            return number
        was_place = is_place and not line.startswith('File "<')  # which has no line of source
    return len(lines)


def _names_other_program(base: Path) -> bool:
    """Return whether output/failure is only about a program that the command had started."""
    path = base / contract.FAILURE
    if not stat.S_ISREG(os.lstat(path).st_mode):
        return False
    with path.open("rb") as file:
        text = file.read(FAILURE_BYTES).decode(errors="replace")
    return any(name in text for name in OTHERS_FAILURES)


def _user_frames(lines: Sequence[str]) -> Iterator[str]:
    """Return the lines of the frames outside of installed packages: the code that the reader can fix."""
    is_user_code = True
    for line in lines:
        if line.lstrip().startswith('File "'):
            is_user_code = not any(f"/{folder}/" in line for folder in PACKAGE_FOLDERS)
        if is_user_code:
            yield line


def _start(command: Sequence[str], environment: Mapping[str, str], directory: Path, output: int, errors: int) -> int:
    path = shutil.which(command[0], path=environment.get("PATH"))
    if path is None:
        raise ClientError(f"The program {command[0]!r} was not found. PATH is {environment.get('PATH')}.")
    os.chdir(directory)
    spawn = partial(os.posix_spawn, setpgroup=0) if HAS_OWN_GROUP else os.posix_spawn
    try:
        return spawn(
            path,
            list(command),
            dict(environment),
            file_actions=[(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, errors, 2)],
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),  # which Python ignores
        )
    except OSError as error:
        if error.errno == errno.E2BIG:
            raise ClientError(
                "The hyperparameters and the environment variables exceed the system's limit for a program's arguments."
            ) from error
        raise ClientError(f"{command[0]} cannot be started: {error.strerror}.") from error


def _follow(child: int, output: int, errors: int) -> ChildResult:
    """Forward the child's output until the child has ended; later output of its own children is dropped."""
    wakeup, wakeup_write = os.pipe()
    os.set_blocking(wakeup_write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    previous_fd = signal.set_wakeup_fd(wakeup_write, warn_on_full_buffer=False)
    tail, error_tail = bytearray(), bytearray()
    tails = {output: (tail,)} if output == errors else {output: (tail,), errors: (tail, error_tail)}
    for source in tails:
        os.set_blocking(source, False)
    sources = [*tails, wakeup]
    try:
        while True:
            ended_pid, status = os.waitpid(child, os.WNOHANG)
            for source in [one for one in sources if one != wakeup and not _copy(one, tails[one])]:
                sources.remove(source)
            if ended_pid:
                code = os.waitstatus_to_exitcode(status)
                texts = (one.decode(errors="replace") for one in (tail, error_tail))
                return ChildResult(code if code >= 0 else SIGNAL_EXIT_BASE - code, *texts)
            ready, _, _ = select.select(sources, [], [])
            if wakeup in ready:
                os.read(wakeup, READ_BYTES)
    finally:
        signal.set_wakeup_fd(previous_fd)
        os.close(wakeup)
        os.close(wakeup_write)


def _copy(output: int, tails: Sequence[bytearray]) -> bool:
    """Forward available output; return False at its end. The number of reads is limited: output may be endless."""
    for _ in range(READS_PER_TURN):
        try:
            data = os.read(output, READ_BYTES)
        except BlockingIOError:
            return True
        if not data:
            return False
        _write(data)
        for tail in tails:
            tail.extend(data)
            if len(tail) > 2 * TAIL_BYTES:  # rarely, because it copies the rest
                del tail[:-TAIL_BYTES]
    return True


def _write(data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(1, rest) :]
