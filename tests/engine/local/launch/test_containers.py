"""Works that run a Docker or Podman image. The client is a fake that runs processes instead of containers."""

import csv
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from lowcloud.engine.local.engine import LocalEngine
from lowcloud.engine.local.launch import containers, isolation
from lowcloud.engine.local.replica_preparation import ReplicaPreparation
from lowcloud.engine.work import Input, LazyFolder, Phase, Replica, Resources, StagingError, Work
from tests.engine.local.test_engine import replica_folder
from tests.support.engines import MakeEngine, output, processes
from tests.support.programs import fake_docker
from tests.support.waiting import wait_for

SMALL = Resources(cpus=1, memory_bytes=1 << 28)


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a `docker` that comes first on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = Path(fake_docker.__file__).read_text()
    (folder / "docker").write_text(f"#!{sys.executable}\n{program}")
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder


@pytest.fixture
def engine(make_engine: MakeEngine) -> LocalEngine:
    return make_engine(lambda *_: iter((b"data",)))


def image(*command: str, replica: Replica | None = None, **choices: Any) -> Work:
    return Work("w", command, (replica or Replica(),), SMALL, container="registry/image:1", **choices)


def ended(engine: LocalEngine) -> tuple[int | None, str]:
    wait_for(lambda: engine.status("w")[0].phase != Phase.RUNNING)
    return engine.status("w")[0].exit_code, engine.status("w")[0].reason


def calls(docker: Path) -> list[list[str]]:
    return [json.loads(line) for line in (docker / "calls").read_text().splitlines()]


def test_an_image_runs_with_its_arguments_folder_and_limits_and_is_removed(engine: LocalEngine, docker: Path) -> None:
    replica = Replica({"COLOUR": "blue", "LINES": "one\nanother"}, files={"input/config/x.json": "{}"})
    script = 'cd "$SAGEMAKER_BASE_DIR"; cat input/config/x.json; echo " $COLOUR $LINES"; echo made > model/m; exit 3'
    engine.start(image("sh", "-c", script, replica=replica))
    assert ended(engine) == (3, "")
    assert output(engine) == ["{} blue one", "another"]
    assert engine.read_file("w", 0, "model/m", 10) == b"made\n"
    run, inspect, remove = calls(docker)
    name = run[run.index("--name") + 1]
    assert run[0] == "run" and run[run.index("--") + 1 :] == ["registry/image:1", "sh", "-c", script]
    assert {f"--memory={1 << 28}", "--cpus=1", "--network=none", "--hostname=algo-1", "--env=LINES"} <= set(run)
    assert not [word for word in run if "blue" in word or "another" in word], (
        "other users of the machine see the arguments"
    )
    assert [word.rpartition("target=")[2].strip('"') for word in run if word.startswith("--mount")] == [
        *("/opt/ml", "/tmp", "/var/tmp", "/opt/lowcloud/socket", "/opt/lowcloud/rendezvous")
    ]
    assert inspect[-1] == remove[-1] == name
    assert remove[:2] == ["rm", "--force"]


def test_an_entrypoint_replaces_the_images_and_its_further_words_come_first(engine: LocalEngine, docker: Path) -> None:
    engine.start(image("two", entrypoint=("echo", "one"), network=True))
    assert ended(engine) == (0, "")
    assert output(engine) == ["one two"]
    run = calls(docker)[0]
    assert "--network=host" in run and any(word.startswith("--add-host=algo-1:127.") for word in run)


def test_a_folder_that_programs_may_see_is_mounted_where_it_is_and_cannot_be_written_to(
    docker: Path, tmp_path: Path, make_engine: MakeEngine
) -> None:
    shown, absent = tmp_path / "home" / 'the "client", of all', tmp_path / "home" / "absent"
    shown.mkdir(parents=True)
    engine = make_engine(readable_folders=(shown, absent))
    engine.start(image("true"))
    assert ended(engine) == (0, "")
    mounts = [next(csv.reader([word.partition("=")[2]])) for word in calls(docker)[0] if word.startswith("--mount=")]
    assert ["type=bind", f"source={shown}", f"target={shown}", "readonly"] in mounts
    assert [mount[2] for mount in mounts if "readonly" in mount] == [f"target={shown}"]


def test_settings_of_the_user_do_not_reach_the_client(
    engine: LocalEngine, docker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOWCLOUD_ROOT_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/mine.sock")
    theirs = Replica({"LD_PRELOAD": "/opt/ml/evil.so", "DOCKER_HOST": "tcp://evil", "PATH": "/evil"})
    engine.start(image("true", replica=theirs))
    assert ended(engine) == (0, "")
    client = json.loads((docker / "client-environment").read_text())
    assert client["DOCKER_HOST"] == "unix:///run/mine.sock"
    assert not {"LD_PRELOAD", "LOWCLOUD_ROOT_SECRET_ACCESS_KEY"} & set(client)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "DOCKER_HOST",
            "CONTAINERS_CONF",
            "_CONTAINERS_USERNS_CONFIGURED",
            "PATH",
            "HOME",
            "LD_PRELOAD",
            "http_proxy",
        ),
        *("GODEBUG", "XDG_RUNTIME_DIR", "SSL_CERT_FILE", "STORAGE_OPTS", "LINES*", "LINES=", "LOCPATH", "LC_ALL"),
    ],
)
def test_several_lines_under_a_name_that_the_client_may_read_are_refused(
    engine: LocalEngine, docker: Path, name: str
) -> None:
    with pytest.raises(StagingError, match="cannot have a value of several lines") as refused:
        engine.start(image("true", replica=Replica({name: "one\ntwo"})))
    assert repr(name) in str(refused.value)


@pytest.mark.parametrize("name", ["GOAL", "BUILDING", "LOCATIONS", "USERS_FILE", "RESULTS", "certificate", "TERMS"])
def test_several_lines_under_a_users_own_name_are_not(engine: LocalEngine, docker: Path, name: str) -> None:
    engine.start(image("sh", "-c", f'echo "${name}"', replica=Replica({name: "one\ntwo"})))
    assert ended(engine) == (0, "")
    assert output(engine) == ["one", "two"]


def test_a_stop_reaches_the_container_and_one_that_ignores_it_is_removed(engine: LocalEngine, docker: Path) -> None:
    engine.start(image("sh", "-c", "trap 'echo bye; exit 5' TERM; echo ready; while true; do sleep 0.01; done"))
    wait_for(lambda: output(engine) == ["ready"])
    engine.stop("w", 20)
    assert ended(engine) == (5, "")
    engine.remove("w")
    seconds = f"85{os.getpid()}"
    engine.start(image("sh", "-c", f"trap '' TERM; echo ready; sleep {seconds}; sleep {seconds}"))
    wait_for(lambda: output(engine) == ["ready"])
    engine.stop("w", 0.2)
    assert ended(engine)[0] == -signal.SIGKILL
    wait_for(lambda: not processes(f"sleep {seconds}"))


def test_a_container_whose_supervisor_was_killed_is_removed(engine: LocalEngine, docker: Path, tmp_path: Path) -> None:
    seconds = f"84{os.getpid()}"
    engine.start(image("sleep", seconds))
    wait_for(lambda: processes(f"sleep {seconds}") and list(docker.glob("*.pid")))
    os.kill(int((replica_folder(engine, tmp_path) / "lock").read_text()), signal.SIGKILL)
    wait_for(lambda: engine.status("w")[0].phase == Phase.LOST)
    wait_for(lambda: not processes(f"sleep {seconds}"))
    assert calls(docker)[-1][:2] == ["rm", "--force"]


def test_lazy_files_are_staged_before_a_container_starts(engine: LocalEngine, docker: Path) -> None:
    folder = LazyFolder("input/data/train", (Input("input/data/train/file", "s3://b/k", 4),))
    script = 'cat "$SAGEMAKER_BASE_DIR/input/data/train/file"'
    engine.start(image("sh", "-c", script, replica=Replica(lazy_folders=(folder,))))
    assert ended(engine) == (0, "")
    note, content = output(engine)
    assert "staged as files before the program starts" in note and content == "data"


def test_a_container_that_ran_out_of_memory_says_so(engine: LocalEngine, docker: Path) -> None:
    (docker / "out-of-memory").touch()
    engine.start(image("sh", "-c", "exit 137"))
    assert ended(engine) == (137, "out of memory")


def test_an_image_that_cannot_be_pulled_fails_with_the_clients_message(engine: LocalEngine, docker: Path) -> None:
    engine.start(Work("w", ("train",), (Replica(),), SMALL, container="missing"))
    assert ended(engine) == (125, "")
    assert output(engine) == ["Unable to find image 'missing' locally"]


def test_without_docker_or_podman_an_image_is_refused(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "CLIENTS", ("no-such-client",))
    with pytest.raises(StagingError, match="needs Docker or Podman, and neither is on"):
        engine.start(image("train"))


def test_podman_does_where_docker_is_not(docker: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(docker))
    (docker / "docker").rename(docker / "podman")
    assert containers.find_client() == str(docker / "podman")


def test_a_container_starts_where_programs_cannot_be_isolated(
    engine: LocalEngine, docker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ReplicaPreparation, "probe", lambda *_: "No space left on device")
    monkeypatch.setattr(isolation, "levels", lambda: (isolation.LANDLOCK,))
    assert "could not be tried" in engine.readiness()
    engine.start(image("true"))
    assert ended(engine)[0] == 0
