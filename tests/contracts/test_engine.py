"""The contract of engines, whichever machine they run work on."""

import io
import socket
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lowcloud.engine.work import Engine, Input, Phase, Replica, Resources, StagingError, Work
from lowcloud.runtime.algorithms.linear_learner.model import LinearModel, save
from tests.support.engines import MakeEngine, ended, log_lines, output
from tests.support.waiting import wait_for

SMALL = Resources(cpus=1, memory_bytes=512 * 1024 * 1024)
OBJECTS: dict[str, bytes] = {}


def fetch(source: str) -> Iterator[bytes]:
    if source not in OBJECTS:
        raise StagingError(f"{source} does not exist.")
    data = OBJECTS[source]
    for start in range(0, len(data), 1000):
        yield data[start : start + 1000]


@pytest.fixture(params=["local"])
def engine(request: pytest.FixtureRequest, make_engine: MakeEngine) -> Engine:
    OBJECTS.clear()
    return make_engine(fetch)


def work(*command: str, replicas: tuple[Replica, ...] = (Replica(),), work_id: str = "w") -> Work:
    return Work(work_id, command, replicas, SMALL)


def python(text: str, replicas: tuple[Replica, ...] = (Replica(),)) -> Work:
    return work("python", "-c", text, replicas=replicas)


def test_a_program_runs_and_its_exit_code_and_times_are_kept(engine: Engine) -> None:
    before = time.time()
    engine.start(work("sh", "-c", "echo one; echo two >&2; exit 3"))
    (status,) = ended(engine)
    assert (status.phase, status.exit_code, status.out_of_memory) == (Phase.EXITED, 3, False)
    assert status.started_at is not None and status.ended_at is not None
    assert before - 1 <= status.started_at <= status.ended_at <= time.time() + 1
    assert output(engine) == ["one", "two"]
    assert all(before - 1 < line.timestamp_ms / 1000 < time.time() + 1 for line in log_lines(engine))


def test_an_unknown_work_has_no_status_and_no_log(engine: Engine) -> None:
    assert engine.status("w") == ()
    assert engine.logs("w", 0, 0).lines == ()
    engine.stop("w", 1)
    engine.remove("w")


def test_a_program_ended_by_a_signal_has_its_negative_number(engine: Engine) -> None:
    engine.start(work("sh", "-c", "kill -USR1 $$"))
    assert ended(engine)[0].exit_code == -10


def test_a_command_that_does_not_exist_says_so_in_the_log(engine: Engine) -> None:
    engine.start(work("no-such-program"))
    assert ended(engine)[0].exit_code == 127
    assert output(engine) == ["no-such-program: No such file or directory"]


def test_starting_a_work_again_changes_nothing(engine: Engine) -> None:
    for _ in range(3):
        engine.start(work("sh", "-c", "echo once"))
    ended(engine)
    engine.start(work("sh", "-c", "echo once"))
    assert output(engine) == ["once"]


def test_a_work_id_may_hold_any_characters(engine: Engine) -> None:
    engine.start(work("true", work_id="w/é: *?"))
    assert ended(engine, "w/é: *?")[0].exit_code == 0


def test_stop_lets_a_program_end_in_its_own_way(engine: Engine) -> None:
    leave = "import os, signal, time; signal.signal(15, lambda *_: (print('bye'), os._exit(7)));"
    engine.start(python(leave + "print('ready'); time.sleep(60)"))
    wait_for(lambda: output(engine) == ["ready"])
    engine.stop("w", 20)
    assert ended(engine)[0].exit_code == 7
    assert output(engine) == ["ready", "bye"]


def test_a_program_that_ignores_sigterm_is_killed_after_the_grace(engine: Engine) -> None:
    engine.start(python("import signal,time; signal.signal(15, signal.SIG_IGN); print('ready'); time.sleep(60)"))
    wait_for(lambda: output(engine) == ["ready"])
    began = time.monotonic()
    engine.stop("w", 0.5)
    assert ended(engine)[0].exit_code == -9
    assert 0.4 < time.monotonic() - began < 10


def test_a_second_stop_can_shorten_the_grace(engine: Engine) -> None:
    engine.start(work("sh", "-c", "trap : TERM; echo ready; while true; do sleep 0.01; done"))
    wait_for(lambda: output(engine) == ["ready"])
    engine.stop("w", 600)
    engine.stop("w", 0)
    assert ended(engine)[0].exit_code == -9


def test_a_repeated_stop_signals_the_program_once(engine: Engine) -> None:
    program = (
        "import signal, time; asked = []; signal.signal(15, lambda *_: asked.append(1)); print('ready', flush=True);"
        "\nwhile not asked: time.sleep(0.01)"
        "\ntime.sleep(0.3); print(len(asked))"
    )
    engine.start(python(program))
    wait_for(lambda: output(engine) == ["ready"])

    def has_ended_when_stopped_again() -> bool:
        engine.stop("w", 600)
        return engine.status("w")[0].phase != Phase.RUNNING

    wait_for(has_ended_when_stopped_again)
    assert output(engine) == ["ready", "1"]


def test_inputs_and_files_are_in_the_folder_and_the_environment_is_set(engine: Engine) -> None:
    OBJECTS["s3://b/k"] = b"1,2\n" * 5000
    replica = Replica(
        environment={"COLOUR": "blue"},
        files={"input/config/hyperparameters.json": '{"k": "5"}'},
        inputs=(Input("input/data/train/a/part 0.csv", "s3://b/k", 20000),),
    )
    program = (
        "import os, pathlib; base = pathlib.Path(os.environ['SAGEMAKER_BASE_DIR']);"
        "print((base / 'input/config/hyperparameters.json').read_text());"
        "print(len((base / 'input/data/train/a/part 0.csv').read_bytes()), os.environ['COLOUR']);"
        "(base / 'model').mkdir(exist_ok=True); (base / 'input/data/train/own').write_text('x')"
    )
    engine.start(python(program, replicas=(replica,)))
    assert ended(engine)[0].exit_code == 0, output(engine)
    assert output(engine) == ['{"k": "5"}', "20000 blue"]


def test_inputs_and_empty_folders_may_be_anywhere_in_the_base_folder(engine: Engine) -> None:
    OBJECTS["s3://b/k"] = b"data"
    replica = Replica(
        inputs=(Input("processing/input/train/part", "s3://b/k", 4),), folders=("processing/output/train", "own/one")
    )
    script = (
        'cd "$SAGEMAKER_BASE_DIR"; cat processing/input/train/part; echo; echo x > processing/output/train/result;'
        "ls -d own/one output/intermediate output/data model input/data; echo > own/one/file"
    )
    engine.start(work("sh", "-c", script, replicas=(replica,)))
    assert ended(engine)[0].exit_code == 0, output(engine)
    empty = ["input/data", "model", "output/data", "output/intermediate", "own/one"]
    assert output(engine) == ["data", *empty]
    assert [entry.path for entry in engine.list_files("w", 0, "processing/output")] == ["train/result"]


def test_a_missing_input_fails_the_staging_with_its_name(engine: Engine) -> None:
    with pytest.raises(StagingError, match="s3://b/none"):
        engine.start(work("true", replicas=(Replica(inputs=(Input("input/data/x", "s3://b/none", 1),)),)))


def test_each_replica_has_its_own_log_and_folder_and_they_share_the_rendezvous(engine: Engine) -> None:
    program = (
        "import os, pathlib, time; me = os.environ['RANK']; meet = pathlib.Path(os.environ['LOWCLOUD_RENDEZVOUS']);"
        "(meet / me).write_text('here ' + me); other = meet / str(1 - int(me)); end = time.time() + 20\n"
        "while not (other.exists() and other.read_text()) and time.time() < end: time.sleep(0.01)\n"
        "print(other.read_text())"
    )
    engine.start(python(program, replicas=(Replica({"RANK": "0"}), Replica({"RANK": "1"}))))
    assert [status.exit_code for status in ended(engine)] == [0, 0], output(engine) + output(engine, replica=1)
    assert (output(engine, replica=0), output(engine, replica=1)) == (["here 1"], ["here 0"])


TALK = (
    "import json, os, socket, time; hosts = json.loads(os.environ['LOWCLOUD_HOSTS']); me = os.environ['ME']\n"
    "if me == 'algo-1':\n"
    "    connection, _ = socket.create_server((hosts[me], 7001)).accept()\n"
    "else:\n"
    "    end = time.time() + 20\n"
    "    while True:\n"
    "        try: connection = socket.create_connection((hosts['algo-1'], 7001)); break\n"
    "        except ConnectionRefusedError: assert time.time() < end; time.sleep(0.01)\n"
    "connection.send(me.encode()); print(connection.recv(10).decode())"
)


@pytest.mark.parametrize("network", [False, True])
def test_the_replicas_of_a_work_reach_each_other_at_addresses_of_their_own(engine: Engine, network: bool) -> None:
    replicas = (Replica({"ME": "algo-1"}), Replica({"ME": "algo-2"}))
    engine.start(Work("w", ("python", "-c", TALK), replicas, SMALL, network=network))
    assert [status.exit_code for status in ended(engine)] == [0, 0], output(engine) + output(engine, replica=1)
    assert (output(engine), output(engine, replica=1)) == (["algo-2"], ["algo-1"])


def test_logs_are_read_on_from_an_offset_while_the_program_runs(engine: Engine) -> None:
    engine.start(work("sh", "-c", "echo a; read x < /dev/null; sleep 0.2; echo b"))
    wait_for(lambda: len(output(engine)) == 1)
    first = engine.logs("w", 0, 0)
    ended(engine)
    second = engine.logs("w", 0, first.next_offset)
    assert [line.text for line in second.lines] == ["b"]
    assert engine.logs("w", 0, second.next_offset) == type(second)((), second.next_offset)


def test_a_file_of_the_replica_can_be_read_up_to_a_limit(engine: Engine) -> None:
    engine.start(python("import os; open(os.environ['SAGEMAKER_BASE_DIR'] + '/failure', 'w').write('why it failed')"))
    ended(engine)
    assert engine.read_file("w", 0, "failure", 3) == b"why"
    assert engine.read_file("w", 0, "missing", 3) is None


def test_files_are_listed_and_read_while_the_program_runs(engine: Engine) -> None:
    program = (
        "import os, pathlib, time; folder = pathlib.Path(os.environ['SAGEMAKER_BASE_DIR']) / 'checkpoints' / '1';"
        "folder.mkdir(parents=True); (folder / 'weights').write_bytes(bytes(2_000_000)); print('written', flush=True);"
        "time.sleep(60)"
    )
    assert engine.list_files("w", 0, "checkpoints") == ()
    engine.start(python(program))
    wait_for(lambda: output(engine) == ["written"])
    (entry,) = engine.list_files("w", 0, "checkpoints")
    assert (entry.path, entry.size_bytes) == ("1/weights", 2_000_000)
    assert time.time() - 60 < entry.modified_ns / 1e9 < time.time() + 1
    assert b"".join(engine.stream_file("w", 0, "checkpoints/1/weights")) == bytes(2_000_000)
    with pytest.raises(FileNotFoundError):
        engine.stream_file("w", 0, "checkpoints/none")


def test_an_archive_contains_the_files_of_the_program(engine: Engine) -> None:
    program = (
        "import os, pathlib; m = pathlib.Path(os.environ['SAGEMAKER_BASE_DIR']) / 'model';"
        "(m / 'sub').mkdir(parents=True); (m / 'sub/weights').write_bytes(bytes(range(256)) * 9000);"
        "(m / 'config.json').write_text('{}'); (m / 'secret').symlink_to('/etc/passwd')"
    )
    engine.start(python(program))
    assert ended(engine)[0].exit_code == 0, output(engine)
    packed = b"".join(engine.archive("w", "model"))
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        assert archive.getnames() == ["config.json", "secret", "sub", "sub/weights"]
        weights = archive.extractfile("sub/weights")
        assert weights is not None and weights.read() == bytes(range(256)) * 9000
        assert archive.getmember("secret").issym()
    assert packed == b"".join(engine.archive("w", "model"))


def test_an_archive_has_the_files_of_all_hosts_and_the_first_of_each_name(engine: Engine) -> None:
    program = (
        "import os, pathlib; m = pathlib.Path(os.environ['SAGEMAKER_BASE_DIR'], 'model'); rank = os.environ['RANK'];"
        "(m / 'parts').mkdir(); (m / 'parts' / rank).write_text(rank); (m / 'model.json').write_text('of ' + rank)"
    )
    engine.start(python(program, tuple(Replica(environment={"RANK": rank}) for rank in "01")))
    assert [status.exit_code for status in ended(engine)] == [0, 0], output(engine)
    packed = b"".join(engine.archive("w", "model"))
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        assert archive.getnames() == ["model.json", "parts", "parts/0", "parts/1"]
        first = archive.extractfile("model.json")
        assert first is not None and first.read() == b"of 0"


def test_a_model_archive_is_unpacked_and_served_at_an_address_until_it_is_stopped(engine: Engine) -> None:
    OBJECTS["s3://b/model.tar.gz"] = model = linear_model()
    replica = Replica(archives=(Input("model", "s3://b/model.tar.gz", len(model)),))
    command = ("python", "-m", "lowcloud.runtime.serving.serve", "linear-learner")
    engine.start(Work("w", command, (replica,), SMALL, serves=True))
    wait_for(lambda: engine.address("w", 0) or engine.status("w")[0].phase == Phase.EXITED)
    address = engine.address("w", 0)
    assert address is not None, output(engine)
    assert ask(address, b"1,1") == b'{"predictions": [{"score": 3.0}]}'
    hang_up_on(address)
    assert ask(address, b"1,1") == b'{"predictions": [{"score": 3.0}]}'
    engine.stop("w", 10)
    assert ended(engine)[0].exit_code == 0
    assert engine.address("w", 0) is None


def linear_model() -> bytes:
    """weights 1 and 2, bias 0, as linear-learner stores them."""
    with tempfile.TemporaryDirectory() as folder, io.BytesIO() as packed:
        save(LinearModel("regressor", "squared_loss", np.array([[1.0], [2.0]]), np.array([0.0])), Path(folder))
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            archive.add(folder, arcname=".")
        return packed.getvalue()


def hang_up_on(address: str) -> None:
    """Ask many questions at once and be gone before they are answered."""
    head = b"POST /invocations HTTP/1.1\r\nContent-Type: text/csv\r\nContent-Length: 3\r\n\r\n1,1"
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(address.removeprefix("unix:"))
            client.sendall(head * 500)


def ask(address: str, row: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(address.removeprefix("unix:"))
        head = b"POST /invocations HTTP/1.1\r\nContent-Type: text/csv\r\nConnection: close\r\n"
        client.sendall(head + b"Content-Length: %d\r\n\r\n" % len(row) + row)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    return answer.partition(b"\r\n\r\n")[2]


def test_remove_ends_a_running_program_and_forgets_it(engine: Engine) -> None:
    engine.start(work("sh", "-c", "echo ready; sleep 60"))
    wait_for(lambda: output(engine) == ["ready"])
    engine.remove("w")
    assert engine.status("w") == ()
    engine.remove("w")


def test_capacity_and_isolation_are_reported(engine: Engine) -> None:
    capacity = engine.capacity()
    assert capacity.cpus >= 1
    assert capacity.memory_bytes > 1 << 28
    assert engine.isolation().endswith(".")


def test_an_environment_that_a_work_builds_is_published_on_request(engine: Engine) -> None:
    build = "import os, venv; venv.create(os.environ['LOWCLOUD_ENVIRONMENT'], symlinks=True)"
    engine.start(Work("w", ("python", "-c", build), (Replica(),), SMALL, builds="key"))
    assert ended(engine)[0].exit_code == 0, output(engine)
    assert not engine.has_environment("key")
    engine.publish_environment("w")
    engine.remove("w")
    assert engine.has_environment("key")
    program = "import os, sys; print(sys.prefix == os.environ['LOWCLOUD_ENVIRONMENT'])"
    engine.start(Work("w", ("python", "-c", program), (Replica(),), SMALL, environment="key"))
    ended(engine)
    assert output(engine) == ["True"]


def test_an_environment_is_dropped_unless_it_was_used_or_a_work_runs_with_it(engine: Engine) -> None:
    engine.start(Work("w", ("true",), (Replica(),), SMALL, builds="key"))
    ended(engine)
    engine.publish_environment("w")
    engine.remove("w")
    (kept_at,) = engine.environments().values()
    assert engine.has_environment("key")
    assert engine.environments()["key"] > kept_at
    engine.delete_environment("key", kept_at)
    engine.start(Work("w", ("sleep", "600"), (Replica(),), SMALL, environment="key"))
    for name in ("key", "never-built"):
        engine.delete_environment(name, time.time() + 60)
    assert engine.has_environment("key")
    engine.remove("w")
    engine.delete_environment("key", time.time() + 60)
    assert not engine.has_environment("key")
    assert engine.environments() == {}


def test_an_environment_that_was_never_built_fails_the_staging_with_its_name(engine: Engine) -> None:
    with pytest.raises(StagingError, match="'key'"):
        engine.start(Work("w", ("true",), (Replica(),), SMALL, environment="key"))


def test_a_program_that_fills_its_disk_is_ended_with_the_reason(engine: Engine) -> None:
    program = (
        "import os, time; base = os.environ['SAGEMAKER_BASE_DIR']\n"
        "for number in range(40): open(f'{base}/model/{number}', 'wb').write(bytes(1 << 20))\n"
        "print('written', flush=True); time.sleep(60)"
    )
    engine.start(Work("w", ("python", "-c", program), (Replica(),), SMALL, disk_bytes=16 << 20))
    (status,) = ended(engine)
    assert (status.phase, status.exit_code, status.reason) == (Phase.EXITED, -9, "disk full")


def test_a_program_within_its_disk_is_left_alone(engine: Engine) -> None:
    program = "import os, time; open('model/x', 'wb').write(bytes(8 << 20)); time.sleep(2.5); print('done')"
    engine.start(Work("w", ("python", "-c", program), (Replica(),), SMALL, disk_bytes=16 << 20))
    (status,) = ended(engine)
    assert (status.exit_code, status.reason, output(engine)) == (0, "", ["done"])


def test_inputs_that_the_volume_cannot_hold_fail_the_staging(engine: Engine) -> None:
    replica = Replica(inputs=(Input("input/data/x", "s3://b/k", 2_000),))
    with pytest.raises(StagingError, match=r"2,000 bytes.*1,000"):
        engine.start(Work("w", ("true",), (replica,), SMALL, disk_bytes=1_000))


def test_a_log_over_its_limit_keeps_its_beginning_and_its_end_and_says_what_is_missing(engine: Engine) -> None:
    program = "for number in range(200_000): print('line', number)"
    engine.start(Work("w", ("python", "-c", program), (Replica(),), SMALL, log_bytes=1 << 20))
    assert ended(engine)[0].exit_code == 0
    found = output(engine)
    assert (found[0], found[-1]) == ("line 0", "line 199999")
    assert sum(map(len, found)) < 1 << 20
    (note,) = (line for line in found if not line.startswith("line "))
    printed = sum(len(f"line {number}\n") for number in range(200_000))
    omitted = printed - sum(len(line) + 1 for line in found if line != note)
    assert note == f"{omitted} bytes of output are omitted here, because the log has reached 1 MiB."


def test_a_users_variables_do_not_replace_those_of_the_contract(engine: Engine) -> None:
    names = ("SAGEMAKER_BASE_DIR", "LOWCLOUD_SOCKET", "LOWCLOUD_RENDEZVOUS", "LOWCLOUD_REPLICA")
    theirs = Replica({**dict.fromkeys(names, "/tmp/theirs"), "OWN": "kept", "LANG": "de_DE.UTF-8"})
    engine.start(python(f"import os; [print(os.environ[name]) for name in ('OWN', 'LANG', *{names})]", (theirs,)))
    ended(engine)
    own, language, *found = output(engine)
    assert (own, language) == ("kept", "de_DE.UTF-8")
    assert len(found) == len(names) and "/tmp/theirs" not in found
