"""The SDK's estimators and processors with users' own scripts: what they trained, wrote, printed and failed with."""

import io
import sys
import tarfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.support.programs.sdk_programs import environment, journey, python, run
from tests.support.servers.server import Server

SCRIPT_ERROR = "ValueError: the rows have 11 columns, expected 12"


def files_of(s3: Any, uri: str) -> dict[str, bytes]:
    """The files of an archive in the store, by name."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {one.name: archive.extractfile(one).read() for one in archive if one.isfile()}  # type: ignore[union-attr]


def test_a_scikit_learn_script_trains_with_all_it_brings_and_its_model_answers(server, folder):
    printed = run(server, folder, python(""), "sklearn_2.py")
    assert "hello and 3 sides of a triangle" in printed, "requirements.txt, dependencies and environment are there"
    assert "The image requires scikit-learn 1.2; scikit-learn" in printed
    found = journey(printed)
    assert found["model"] == ["model.joblib"]
    assert found["agree"], "the endpoint answers as the model does"
    assert found["accuracy"] > 0.9
    assert found["outputs"] == {
        "strength": 0.5,
        "note": 'it\'s a "text", 5 % long',
        "model_dir": "/opt/ml/model",
        "train": "/opt/ml/input/data/train",
        "hps": r'{"note":"it' + r"'s a \"text\", 5 % long" + '","strength":0.5}',
    }
    assert found["final"] == {"accuracy": pytest.approx(found["accuracy"], abs=1e-6), "loss": 0.333333}
    assert found["curve"]["loss"] == pytest.approx(11 / 18, abs=1e-5), (
        "the mean of the minute, as CloudWatch returns it"
    )
    assert found["transitions"] == [
        *("Starting", "PreparingTrainingStack", "Downloading", "Training", "Uploading", "Completed")
    ]
    raised, quiet = found["failures"]
    assert "ExitCode 1" in raised
    assert SCRIPT_ERROR in raised
    assert 'ExitCode 3\nErrorMessage "about to fail"' in quiet


def test_xgboost_trains_the_same_model_as_an_algorithm_and_in_a_script(server, folder, s3):
    xgboost = pytest.importorskip("xgboost")
    rows = np.loadtxt(folder / "train.csv", delimiter=",")
    matrix = xgboost.DMatrix(rows[:, 1:], rows[:, 0])
    parameters = {"max_depth": 3, "objective": "binary:logistic", "tree_method": "exact"}
    expected = xgboost.train(parameters, matrix, 7).predict(matrix)
    found = journey(run(server, folder, python(""), "xgboost_2.py"))
    for uri in found.values():
        booster = xgboost.Booster(model_file=bytearray(files_of(s3, uri)["xgboost-model"]))
        np.testing.assert_allclose(booster.predict(matrix), expected, rtol=1e-5)


def test_processors_run_scripts_folders_of_code_and_the_ready_programs(server: Server, folder):
    printed = run(server, folder, python(""), "processing_2.py")
    assert "algo-1 of 2 has 300 rows for sagemaker-scikit-learn-" in printed
    assert "algo-2 of 2 has 269 rows for sagemaker-scikit-learn-" in printed
    found = journey(printed)
    assert found["sharded"] == {
        "train": {"algo-1.csv": 240, "algo-2.csv": 215},
        "test": {"algo-1.csv": 60, "algo-2.csv": 54},
    }
    assert {name: text.strip() for name, text in found["shell"].items()} == {"count.txt": "569"}
    assert found["framework"] == {"said.txt": "hello 42 ['--depth', '2']"}, "runproc.sh installed the requirements"
    assert SCRIPT_ERROR in found["failure"]
    assert found["prepared"] == {"train": ["train.csv"], "test": ["test.csv"], "transform": ["transform.json"]}
    items, accuracy = found["evaluation"]
    assert items == 569
    assert accuracy > 0.9
    assert found["pages"] == ["evaluation.html", "evaluation.json"]


def test_a_spot_job_continues_from_its_checkpoint_and_a_stopped_one_keeps_its_output(server, folder, s3):
    found = journey(run(server, folder, python(""), "interrupts_2.py", sys.executable, "-m", "lowcloud.cli"))
    spot, stopped = found["spot"], found["stopped"]
    assert spot["status"] == "Completed"
    assert spot["begins"] == ["begins at 0", "begins at 5"]
    assert spot["checkpoint"] == "10"
    assert files_of(s3, spot["model"]) == {"count": b"10"}
    reported = [*("Starting", "Downloading", "Training", "Stopping", "Interrupted")]
    reported += [*("Restarting", "Downloading", "Training", "Uploading", "Completed")]
    assert [one for one in spot["transitions"] if one != "PreparingTrainingStack"] == reported
    assert spot["saves"]
    assert stopped["status"] == "Stopped"
    assert files_of(s3, stopped["model"]) == {"saved": b"in time"}
    assert stopped["transitions"][-3:] == ["Stopping", "Uploading", "Stopped"]


def test_a_script_reads_files_lazy_files_pipes_and_manifests_and_hosts_find_each_other(server, folder):
    printed = run(server, folder, python(""), "inputs_2.py")
    assert "algo-1 hears 2 from algo-2" in printed
    assert "algo-2 hears 1 from algo-1" in printed
    found = journey(printed)
    texts = {f"{name}.txt": f"text of {name}\n" for name in "abc"}
    stream = "".join(texts.values())
    assert found == {
        "read": {
            "file": texts,
            "lazy": texts,
            "pipe": {"epoch 0": stream, "epoch 1": stream},
            "listed": {name: text for name, text in texts.items() if name != "b.txt"},
        },
        "sum": "3",
    }


def test_the_model_trainer_of_sdk_3_runs_source_code_by_script_and_by_command(server, folder):
    printed = run(server, folder, python("-3"), "trainer_script_3.py")
    found = journey(printed)
    assert found["facts"] == {
        "rate": 0.25,
        "layers": [3, 4],
        "hps": {"rate": 0.25, "layers": [3, 4]},
        "lines": 569,
        "named": {
            "SM_CURRENT_HOST": "algo-1",
            "SM_SOURCE_DIR": "/opt/ml/input/data/code",
            "SM_ENTRY_SCRIPT": "train.py",
        },
    }
    assert found["checkpoint"] == "epoch 1"
    assert found["two"] == {"host": "algo-1 of 2\n", "sum": "3"}
    assert "RuntimeError: the rate is far too high" in found["error"]
    assert "CalledProcessError" not in found["error"]


@pytest.mark.slow
def test_a_function_runs_as_a_job_and_gives_its_result_or_raises_its_error(server, folder):
    server.cli("image", "add", "journey-of-functions", "--python", str(environment("sagemaker")))
    found = journey(run(server, folder, python(""), "remote_2.py", "journey-of-functions"))
    assert found["result"]["mean"] == 6
    assert found["result"]["job"].startswith("mean-of-")
    assert found["error"] == "division by zero"
    assert found["squares"] == [9, 16]


@pytest.fixture
def torch(server: Server) -> Iterator[None]:
    """Registers the environment with PyTorch and transformers under the names of their images."""
    names = ("pytorch-training", "pytorch-inference", "huggingface-pytorch-training")
    for name in names:
        server.cli("image", "add", name, "--python", str(environment("torch")))
    yield
    for name in names:
        server.cli("image", "remove", name)


@pytest.mark.slow
def test_pytorch_trains_over_two_hosts_and_answers_and_huggingface_trains_from_a_configuration(
    server, folder, s3, torch
):
    printed = run(server, folder, python(""), "torch_2.py")
    assert "rank 0 of 2: loss=0.00" in printed
    assert "rank 1 of 2: loss=0.00" in printed
    assert "predicted [0, 1]" in printed
    found = journey(printed)
    assert list(files_of(s3, found["network"])) == ["model.pt"]
    answers = [row[0] for row in found["answer"]]
    assert answers == pytest.approx([1, -2, 0.5, 3], abs=0.01), "the weights from which the targets were made"
    assert sorted(files_of(s3, found["transformer"])) == ["config.json", "model.safetensors"]


def test_the_model_trainer_of_sdk_3_trains_over_two_hosts_by_torchrun(server, folder, s3, torch):
    printed = run(server, folder, python("-3"), "torch_3.py")
    assert list(files_of(s3, journey(printed)["network"])) == ["model.pt"]
