"""Files of a replica on every engine: inputs, what its program writes, archives of it, and the size of its disk."""

import io
import tarfile
import time

import pytest

from lowcloud.engine.work import Engine, Input, Phase, Replica, StagingError, Work
from tests.support.engines import SMALL, ended, output, python, work
from tests.support.waiting import wait_for


def test_inputs_and_files_are_in_the_folder_and_the_environment_is_set(
    engine: Engine, objects: dict[str, bytes]
) -> None:
    objects["s3://b/k"] = b"1,2\n" * 5000
    replica = Replica(
        variables={"COLOUR": "blue"},
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


def test_inputs_and_empty_folders_may_be_anywhere_in_the_base_folder(engine: Engine, objects: dict[str, bytes]) -> None:
    objects["s3://b/k"] = b"data"
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


def test_inputs_that_the_volume_cannot_hold_fail_the_staging(engine: Engine) -> None:
    replica = Replica(inputs=(Input("input/data/x", "s3://b/k", 2_000),))
    with pytest.raises(StagingError, match=r"2,000 bytes.*1,000"):
        engine.start(Work("w", ("true",), (replica,), SMALL, disk_bytes=1_000))


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


def test_an_archive_holds_what_the_program_left(engine: Engine) -> None:
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


def test_an_archive_holds_what_all_hosts_left_and_of_a_name_what_the_first_did(engine: Engine) -> None:
    program = (
        "import os, pathlib; m = pathlib.Path(os.environ['SAGEMAKER_BASE_DIR'], 'model'); rank = os.environ['RANK'];"
        "(m / 'parts').mkdir(); (m / 'parts' / rank).write_text(rank); (m / 'model.json').write_text('of ' + rank)"
    )
    engine.start(python(program, tuple(Replica(variables={"RANK": rank}) for rank in "01")))
    assert [status.exit_code for status in ended(engine)] == [0, 0], output(engine)
    packed = b"".join(engine.archive("w", "model"))
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        assert archive.getnames() == ["model.json", "parts", "parts/0", "parts/1"]
        first = archive.extractfile("model.json")
        assert first is not None and first.read() == b"of 0"


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
