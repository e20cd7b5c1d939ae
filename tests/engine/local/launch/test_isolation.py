"""The isolation level in force, and its description."""

import sys
from pathlib import Path

import pytest

from lowcloud.engine.local.engine import LocalEngine
from lowcloud.engine.local.launch import isolation, launch_spec
from lowcloud.engine.local.launch.isolation import LANDLOCK, PROCESS
from lowcloud.engine.work import Replica, Resources, Work
from tests.support.engines import MakeEngine, ended, output


@pytest.fixture
def engine(make_engine: MakeEngine) -> LocalEngine:
    return make_engine()


def test_a_machine_without_isolation_is_distinguished_from_a_failed_probe() -> None:
    forbidden = "PermissionError: [Errno 1] Operation not permitted"
    assert (
        isolation.with_probe_failures(PROCESS, [forbidden, "OSError: [Errno 38] Function not implemented"]) is PROCESS
    )
    assert "allows neither" in PROCESS.sentence
    for level in (PROCESS, LANDLOCK):
        failed = isolation.with_probe_failures(level, [forbidden, "python: No such file or directory"])
        assert failed.sentence.endswith(
            "The probe of a stronger isolation level failed: python: No such file or directory"
        )
        assert "allows neither" not in failed.sentence
        assert failed.has_landlock == level.has_landlock


def test_the_reason_of_a_failed_probe_is_reported(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "levels", lambda: (PROCESS, PROCESS))
    make = launch_spec.build
    monkeypatch.setattr(launch_spec, "build", lambda *given: {**make(*given), "command": ("no-such-program",)})
    assert "The probe of a stronger isolation level failed: no-such-program: No such file" in engine.isolation()


@pytest.mark.skipif(sys.platform != "linux", reason="isolation needs Linux")
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
