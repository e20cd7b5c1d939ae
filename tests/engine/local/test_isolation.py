"""The level in force, and what is said of it."""

import sys
from pathlib import Path

import pytest

from lowcloud.engine.local import isolation, launch_spec
from lowcloud.engine.local.engine import LocalEngine
from lowcloud.engine.local.isolation import LANDLOCK, PROCESS
from lowcloud.engine.work import Replica, Resources, Work
from tests.support.engines import MakeEngine, ended, output


@pytest.fixture
def engine(make_engine: MakeEngine) -> LocalEngine:
    return make_engine()


def test_a_machine_that_forbids_the_walls_is_told_from_a_trial_that_failed() -> None:
    forbidden = "PermissionError: [Errno 1] Operation not permitted"
    assert isolation.after_failures(PROCESS, [forbidden, "OSError: [Errno 38] Function not implemented"]) is PROCESS
    assert "allows neither" in PROCESS.sentence
    for level in (PROCESS, LANDLOCK):
        failed = isolation.after_failures(level, [forbidden, "python: No such file or directory"])
        assert failed.sentence.endswith("The trial of stronger walls failed: python: No such file or directory")
        assert "allows neither" not in failed.sentence
        assert failed.has_landlock == level.has_landlock


def test_the_reason_of_a_failed_trial_stands_in_the_sentence(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "levels", lambda: (PROCESS, PROCESS))
    make = launch_spec.make
    monkeypatch.setattr(launch_spec, "make", lambda *given: {**make(*given), "command": ("no-such-program",)})
    assert "The trial of stronger walls failed: no-such-program: No such file" in engine.isolation()


@pytest.mark.skipif(sys.platform != "linux", reason="there are no walls elsewhere")
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
