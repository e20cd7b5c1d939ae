"""The isolation level in force: never weaker than before, and never for want of space, memory or time."""

import os
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lowcloud.engine.local import isolation_trials, replica_preparation
from lowcloud.engine.local.engine import LocalEngine
from lowcloud.engine.local.launch import isolation, isolation_record, launch_spec
from lowcloud.engine.local.launch.isolation_record import IsolationRecord
from lowcloud.engine.local.replica_preparation import ReplicaPreparation
from lowcloud.engine.work import EngineNotReadyError, Replica, Resources, Work
from tests.support.engines import IS_LINUX_ROOT, MakeEngine, ended, output, processes, python
from tests.support.faults import small_disk
from tests.support.waiting import TIMEOUT_SECONDS, wait_for

UNSUPPORTED = "lowcloud.runtime.syscalls.UnsupportedError: [Errno 1] unshare: Operation not permitted"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="isolation needs Linux")


@pytest.fixture
def engine(make_engine: MakeEngine) -> LocalEngine:
    return make_engine()


def answer(monkeypatch: pytest.MonkeyPatch, **reasons: str) -> None:
    """Let trials fail for these reasons, by the name of the level (- is _); the others succeed."""

    def probe(_self: object, policy: isolation.SandboxPolicy, *_: object) -> str:
        return reasons.get(policy.level.name.replace("-", "_"), "")

    monkeypatch.setattr(ReplicaPreparation, "probe", probe)


def raised(engine: LocalEngine) -> str:
    with pytest.raises(EngineNotReadyError) as caught:
        engine.start(python("print('it ran')"))
    assert engine.status("w") == () or not output(engine)
    assert engine.isolation_status().waits_for == str(caught.value) == engine.readiness()
    return str(caught.value)


def retry_now(engine: LocalEngine) -> None:
    engine._preparation.trials._retry_at = 0.0


@pytest.mark.parametrize(
    "reason",
    [
        "OSError: [Errno 28] No space left on device",
        "BlockingIOError: [Errno 11] Resource temporarily unavailable",
        "OSError: [Errno 12] Cannot allocate memory",
        "PermissionError: [Errno 13] Permission denied: '/opt'",
        "exit code None",
    ],
)
def test_a_trial_that_fails_for_another_reason_than_the_kernels_refusal_starts_nothing_and_is_repeated(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    strongest = isolation.levels()[0]
    answer(monkeypatch, **{strongest.name.replace("-", "_"): reason})
    assert f"The isolation level {strongest.name!r} could not be tried: {reason}" in raised(engine)
    monkeypatch.undo()
    retry_now(engine)
    engine.start(python("print('it ran')"))
    ended(engine)
    assert output(engine) == ["it ran"]
    assert engine.isolation_status().level == strongest.name


def test_a_trial_that_takes_too_long_starts_nothing(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    make = launch_spec.build
    monkeypatch.setattr(launch_spec, "build", lambda *given: {**make(*given), "command": ("sleep", "987.5")})
    monkeypatch.setattr(replica_preparation, "PROBE_SECONDS", 0.1)
    assert "did not end in 0.1 seconds" in raised(engine)
    assert not processes("sleep 987.5")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.parametrize("free_bytes", [0, 8192])  # the trial cannot begin, or it cannot end
def test_a_full_disk_is_not_taken_for_a_machine_without_isolation(
    make_engine: MakeEngine, tmp_path: Path, free_bytes: int
) -> None:
    with small_disk(tmp_path / "full", 1) as home:
        engine = make_engine(root=home / "work")
        ballast = home / "ballast"
        with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(4096))
        os.truncate(ballast, ballast.stat().st_size - free_bytes)
        with pytest.raises(EngineNotReadyError, match=r"could not be tried: .*( space left| disk space)"):
            engine.start(python("print('it ran')"))
        ballast.unlink()
        retry_now(engine)
        assert engine.readiness() == ""
        assert engine.isolation_status().level == isolation.levels()[0].name


def test_a_level_that_the_kernel_does_not_offer_is_left_out(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, own_user=UNSUPPORTED, namespaces=UNSUPPORTED)
    assert engine.isolation() == isolation.LANDLOCK.sentence


def make_calls_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, calls: str, error: str) -> None:
    """Let system calls of programs fail: their interpreter runs a module that replaces the function of libc."""
    (tmp_path / "sitecustomize.py").write_text(
        "import ctypes, errno\n"
        "class Libc(ctypes.CDLL):\n"
        "    def __getattr__(self, name):\n"
        f"        if name in {calls.split()!r}:\n"
        f"            return lambda *_: ctypes.set_errno(errno.{error}) and 0 or -1\n"
        "        return super().__getattr__(name)\n"
        "ctypes.CDLL = Libc\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{':'.join(filter(None, sys.path))}")


@pytest.mark.parametrize("error", ["EPERM", "EINVAL", "ENOSYS"])
def test_the_refusal_of_a_sandboxs_system_call_counts_as_not_offered(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: str
) -> None:
    make_calls_fail(monkeypatch, tmp_path, "unshare", error)
    assert engine.isolation() == isolation.LANDLOCK.sentence


@pytest.mark.parametrize("error", ["ENOMEM", "ENOSPC", "EMFILE"])
def test_a_lack_of_resources_in_a_sandboxs_system_call_is_no_refusal(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: str
) -> None:
    make_calls_fail(monkeypatch, tmp_path, "unshare", error)
    assert isolation.levels()[0].name in raised(engine)


def test_a_home_refuses_a_weaker_level_than_it_has_run_at_until_that_is_chosen(
    make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = make_engine()
    first.isolation()
    strongest = isolation.levels()[0].name
    assert isolation_record.read(tmp_path / "home") == IsolationRecord(reached=strongest)
    answer(monkeypatch, own_user=UNSUPPORTED, namespaces=UNSUPPORTED)
    refusal = raised(make_engine())
    assert f"have run at the isolation level {strongest!r}" in refusal
    assert "lowcloud up --isolation LEVEL" in refusal
    isolation_record.choose(tmp_path / "home", "landlock")
    for _ in range(2):  # the choice is kept
        assert make_engine().isolation() == isolation.LANDLOCK.sentence
    monkeypatch.undo()
    assert make_engine().isolation() == isolation.LANDLOCK.sentence
    isolation_record.choose(tmp_path / "home", isolation_record.STRONGEST)
    assert make_engine().isolation_status().level != strongest  # as nothing was tried yet
    assert make_engine().isolation() == isolation.levels()[0].sentence


def test_a_chosen_level_that_is_not_available_starts_nothing(
    make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engine = make_engine()
    isolation_record.choose(tmp_path / "home", "namespaces")
    answer(monkeypatch, namespaces=UNSUPPORTED)
    assert "'namespaces', which was chosen, is not available here (namespaces: [Errno 1] unshare" in raised(engine)


@pytest.mark.parametrize("content", ['{"reached": "own-', "", "[1]", "null", "{}", '{"reached": "", "of": "another"}'])
def test_a_record_of_the_level_that_is_damaged_starts_nothing(
    make_engine: MakeEngine, tmp_path: Path, content: str
) -> None:
    engine = make_engine()
    (tmp_path / "home" / isolation_record.FILE).write_text(content)
    assert "is damaged" in raised(engine)


@pytest.mark.skipif(not IS_LINUX_ROOT, reason="the rule is for servers that run as root")
def test_a_server_that_runs_as_root_runs_no_program_without_isolation_unless_told_to(
    make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    levels: dict[str, Any] = {level.name.replace("-", "_"): UNSUPPORTED for level in isolation.LEVELS}
    answer(monkeypatch, **levels)
    monkeypatch.setattr(isolation, "unreachable_parent", lambda _home: "/root")
    refusal = raised(make_engine())
    assert "offers no isolation to a server that runs as root" in refusal
    assert "user-only: /root is private" in refusal
    assert "lowcloud up --isolation none" in refusal
    isolation_record.choose(tmp_path / "home", "none")
    assert make_engine().isolation() == isolation.NONE.sentence


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that other users can reach, with an interpreter; those of tests and of a root's Python are private."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        library = f"lib/python{sys.version_info.major}.{sys.version_info.minor}"
        skipped = shutil.ignore_patterns("site-packages", "test", "__pycache__", "config-*")
        shutil.copytree(f"{sys.base_prefix}/{library}", folder / "python" / library, ignore=skipped, symlinks=True)
        (folder / "python" / "bin").mkdir()
        shutil.copy(Path(sys.executable).resolve(), folder / "python" / "bin" / "python")
        yield folder


@pytest.mark.skipif(not IS_LINUX_ROOT, reason="only root can run programs as other users")
def test_without_namespaces_and_landlock_programs_run_as_users_that_cannot_read_the_home(public_folder: Path) -> None:
    home = public_folder / "home"
    home.mkdir(mode=0o700)
    packages = [sysconfig.get_path("purelib"), str(Path(isolation.__file__).parents[4])]
    if any(not parent.stat().st_mode & 0o001 for package in packages for parent in Path(package).parents):
        pytest.skip("other users cannot read the packages of this interpreter")
    done = subprocess.run(
        [public_folder / "python" / "bin" / "python", "-m", "tests.engine.local.launch.user_only", home],
        env={"PYTHONPATH": ":".join(packages), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(home.stat().st_mode) == 0o711


def test_a_level_that_opens_the_home_and_fails_leaves_it_as_private_as_it_was(
    make_engine: MakeEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engine, home = make_engine(), tmp_path / "home"
    home.chmod(0o700)
    isolation_record.choose(home, "user-only")
    monkeypatch.setattr(isolation, "unreachable_parent", lambda _home: None)
    answer(monkeypatch, user_only=UNSUPPORTED)
    assert "not available here" in raised(engine)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_a_program_that_can_read_the_home_fails_the_trial(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    build: Callable[..., dict[str, Any]] = isolation.SandboxPolicy.build_spec
    off = {"uid": None, "gid": None, "namespaces": False, "landlock": False}
    monkeypatch.setattr(isolation.SandboxPolicy, "build_spec", lambda *given: {**build(*given), **off})
    make = launch_spec.build
    monkeypatch.setattr(
        launch_spec, "build", lambda work, replica, *given: {**make(work, replica, *given), "directory": "/"}
    )
    assert "is readable at this level" in raised(engine)


def test_the_trial_is_repeated_in_the_background_until_it_succeeds(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, **{level.name.replace("-", "_"): "No space left on device" for level in isolation.LEVELS})
    engine.warm_up()
    engine.wait_until_ready(30)
    assert "No space" in engine.isolation_status().waits_for
    monkeypatch.undo()
    wait_for(lambda: engine.isolation_status().level)


def test_while_the_first_trial_runs_in_the_background_others_are_told_so_at_once(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def probe(*_: object) -> str:
        begun.set()
        assert go_on.wait(TIMEOUT_SECONDS)
        return ""

    monkeypatch.setattr(ReplicaPreparation, "probe", probe)
    engine.warm_up()
    assert begun.wait(TIMEOUT_SECONDS)
    assert engine.readiness() == isolation_trials.BEING_TRIED
    with pytest.raises(EngineNotReadyError, match="are being tried"):
        engine.start(python("print('it ran')"))
    go_on.set()
    engine.wait_until_ready(TIMEOUT_SECONDS)
    assert engine.readiness() == ""


def test_walls_hold_where_the_interpreter_goes_by_a_numbered_name_alone(
    engine: LocalEngine, make_engine: MakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = make_engine(root=Path("other/work")).isolation()
    environment = tmp_path / "environment"
    (environment / "bin").mkdir(parents=True)
    interpreter = environment / "bin" / "python3.99"
    interpreter.symlink_to(Path(sys.executable).resolve())
    (environment / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).resolve().parent}\n")
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    monkeypatch.setattr(sys, "executable", str(interpreter))
    monkeypatch.setattr(sys, "prefix", str(environment))
    assert engine.isolation() == before
    command = ("python", "-c", "import sys; print(sys.executable)")
    engine.start(Work("w", command, (Replica(),), Resources(1, 1 << 30)))
    ended(engine)
    assert output(engine) == [str(interpreter)]
