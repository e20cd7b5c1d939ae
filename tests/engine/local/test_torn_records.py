"""A power failure can leave a file empty or half written; an engine started afterwards reports what it still knows."""

import json
import os
from pathlib import Path

import pytest

from lowcloud import contract
from lowcloud.engine.local.engine import LocalEngine
from lowcloud.engine.local.replica import write_record
from lowcloud.engine.work import Phase, Replica, Resources, Work
from tests.support.engines import MakeEngine, ended, output

RESOURCES = Resources(cpus=1, memory_bytes=1 << 30)
TORN = ("", " " * 256, "\0" * 40, '{"exit_co')


@pytest.fixture
def engine(make_engine: MakeEngine) -> LocalEngine:
    return make_engine()


def run(engine: LocalEngine, work_id: str = "w", text: str = "ran") -> None:
    engine.start(Work(work_id, ("echo", text), (Replica(),), RESOURCES))
    ended(engine, work_id)
    engine._works.replica(work_id, 0).wait_until_supervisor_ended()  # it cleans up after it has recorded the exit


def folder_of(tmp_path: Path, work_id: str = "w") -> Path:
    (found,) = (tmp_path / "home" / "work").glob(f"*-{work_id}")
    return found


@pytest.mark.parametrize("torn", TORN)
def test_work_starts_where_the_count_of_ids_is_torn(engine: LocalEngine, tmp_path: Path, torn: str) -> None:
    run(engine)
    (tmp_path / "home" / "work" / "ids").write_text(torn)
    run(engine, "next")
    assert output(engine, "next") == ["ran"]
    first, second = (json.loads((folder_of(tmp_path, name) / "work.json").read_text()) for name in ("w", "next"))
    assert second["first_id"] > first["first_id"], "no two works share an id"


@pytest.mark.parametrize("torn", TORN)
def test_a_program_with_a_torn_exit_record_is_lost_and_never_runs_again(
    engine: LocalEngine, tmp_path: Path, torn: str
) -> None:
    run(engine)
    (folder_of(tmp_path) / "0" / "exit").write_text(torn)
    assert engine.status("w")[0].phase == Phase.LOST
    run(engine, text="again")
    assert (engine.status("w")[0].phase, output(engine)) == (Phase.LOST, ["ran"])


@pytest.mark.parametrize("torn", TORN)
def test_a_program_with_a_torn_start_record_keeps_its_exit(engine: LocalEngine, tmp_path: Path, torn: str) -> None:
    run(engine)
    (folder_of(tmp_path) / "0" / "started").write_text(torn)
    status = engine.status("w")[0]
    assert (status.phase, status.exit_code, status.started_at) == (Phase.EXITED, 0, None)
    (folder_of(tmp_path) / "0" / "exit").unlink()
    run(engine, text="again")
    assert (engine.status("w")[0].phase, output(engine)) == (Phase.LOST, ["ran"])


@pytest.mark.parametrize("torn", TORN)
def test_a_work_whose_record_is_torn_is_still_known(engine: LocalEngine, tmp_path: Path, torn: str) -> None:
    run(engine)
    (folder_of(tmp_path) / "work.json").write_text(torn)
    assert engine.status("w")[0].phase == Phase.EXITED
    run(engine, text="again")
    assert output(engine) == ["ran"]
    (folder_of(tmp_path) / "work.json").write_text(torn)
    engine.remove("w")
    assert engine.status("w") == ()


def test_a_torn_launch_spec_loses_the_program(engine: LocalEngine, tmp_path: Path) -> None:
    run(engine)
    for name in (contract.LAUNCH_SPEC_FILE, "exit"):
        (folder_of(tmp_path) / "0" / name).write_text("")
    assert engine.status("w")[0].phase == Phase.LOST


def test_a_torn_launch_spec_of_a_program_that_never_ran_is_written_again(engine: LocalEngine, tmp_path: Path) -> None:
    run(engine)
    replica = folder_of(tmp_path) / "0"
    for name in ("exit", "started"):
        (replica / name).unlink()
    (replica / contract.LAUNCH_SPEC_FILE).write_text("")
    run(engine, text="anew")
    assert output(engine) == ["anew"]


def test_a_record_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []

    def fsync(descriptor: int) -> None:
        assert not (tmp_path / "record").exists()
        synced.append(os.fstat(descriptor).st_size)

    monkeypatch.setattr(os, "fsync", fsync)
    write_record(tmp_path / "record", {"a": 1})
    assert synced == [len('{"a": 1}')]
