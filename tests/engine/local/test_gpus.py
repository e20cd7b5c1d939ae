"""Allocation of GPUs to replicas, which see no others. The device nodes are plain files; no driver is used."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lowcloud.engine.local import gpus
from lowcloud.engine.local.engine import LocalEngine
from lowcloud.engine.work import Phase, Replica, Resources, StagingError, Work
from tests.support.engines import IS_LINUX_ROOT, MODES, MakeEngine
from tests.support.waiting import wait_for

SHOW = "echo $CUDA_VISIBLE_DEVICES; cd {nodes}; cat nvidia0 nvidia1 nvidia2 nvidia10 nvidiactl; sleep {seconds}"
pytestmark = pytest.mark.skipif(not IS_LINUX_ROOT, reason="the nodes lie where only root can make them")


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A folder for /dev with four GPUs, outside of what replicas have of their own."""
    folder = Path(tempfile.mkdtemp(dir="/run"))
    folder.chmod(0o755)
    for number in (0, 1, 2, 10):
        (folder / f"nvidia{number}").write_text(f"node {number}\n")
    (folder / "nvidiactl").write_text("control\n")
    monkeypatch.setattr(gpus, "DEVICES", folder)
    monkeypatch.setattr(gpus, "DRIVER_INFORMATION", tmp_path / "facts")
    for number in (0, 1):
        (tmp_path / "facts" / f"bus{number}").mkdir(parents=True)
        facts = f"Model: \t\t NVIDIA X\nGPU UUID: \t GPU-abc{number}\nDevice Minor: \t {number}\n"
        (tmp_path / "facts" / f"bus{number}" / "information").write_text(facts)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(params=MODES)
def engine(request: pytest.FixtureRequest, make_engine: MakeEngine) -> LocalEngine:
    return make_engine(mode=request.param)


def show(work_id: str, nodes: Path, each: int, replicas: int = 1, seconds: int = 0) -> Work:
    command = ("sh", "-c", SHOW.format(nodes=nodes, seconds=seconds))
    return Work(work_id, command, (Replica(),) * replicas, Resources(1, 1 << 28, each))


def said(engine: LocalEngine, work_id: str, count: int, replica: int = 0) -> list[str]:
    """What a replica printed, of which `count` lines name no node that it may not open."""

    def lines() -> list[str]:
        return [line.text for line in engine.logs(work_id, replica, 0).lines if "Permission denied" not in line.text]

    wait_for(lambda: len(lines()) >= count)
    return lines()


def test_a_replica_sees_only_its_allocated_gpus(engine: LocalEngine, nodes: Path) -> None:
    engine.start(show("a", nodes, each=1, replicas=2, seconds=60))
    engine.start(show("b", nodes, each=0, seconds=60))
    first, second, without = (said(engine, *which) for which in (("a", 3), ("a", 3, 1), ("b", 2)))
    if engine.isolation_status().level in ("user-only", "none"):  # the machine's devices are visible
        assert (first[0], second[0], without[0]) == ("GPU-abc0", "GPU-abc1", "")
        return
    assert first[1:] == ["node 0", "control"]
    assert second[1:] == ["node 1", "control"]
    assert without == ["", "control"]
    names = ["0", "0"] if "/opt/ml" in engine.isolation() else ["GPU-abc0", "GPU-abc1"]
    assert [first[0], second[0]] == names


def test_gpus_stay_given_over_a_restart_and_are_free_when_their_program_ends(
    nodes: Path, make_engine: MakeEngine
) -> None:
    engine = make_engine()
    engine.start(show("a", nodes, each=3, seconds=60))
    assert said(engine, "a", 5)[0] == "0,1,2"
    engine.close()
    engine = make_engine()
    with pytest.raises(StagingError, match="needs 2 GPUs; this machine has 4, of which 1 are free"):
        engine.start(show("b", nodes, each=1, replicas=2))
    engine.start(show("c", nodes, each=1))
    assert said(engine, "c", 3)[1:] == ["node 10", "control"]
    engine.stop("a", 0)
    wait_for(lambda: engine.status("a")[0].phase == Phase.EXITED)
    engine.start(show("b", nodes, each=1, replicas=2))
    assert said(engine, "b", 3)[1:] == ["node 0", "control"]
    assert said(engine, "b", 3, 1)[1:] == ["node 1", "control"]
