"""Scripts of the shape of SageMaker's public examples, under the SDKs 2.x and 3.x."""

from collections.abc import Iterator

import numpy as np
import pytest

from tests.support.programs.sdk_programs import environment, journey, python, run
from tests.support.servers.server import Server

CHECKPOINTS = [f"xgboost-checkpoint.{number}" for number in range(1, 6)]


@pytest.fixture
def own(server: Server) -> Iterator[None]:
    """Registers the program of an own container, whose entrypoint is the training toolkit."""
    server.cli("image", "add", "journey-own", "--command", "python -m sagemaker_training.cli.train")
    yield
    server.cli("image", "remove", "journey-own")


@pytest.fixture
def torch(server: Server) -> Iterator[None]:
    """Registers the environment with PyTorch under the names of its images."""
    names = ("pytorch-training", "huggingface-pytorch-training", "huggingface-pytorch-inference")
    for name in names:
        server.cli("image", "add", name, "--python", str(environment("torch")))
    yield
    for name in names:
        server.cli("image", "remove", name)


@pytest.fixture
def torchvision() -> None:
    if not list(environment("torch").glob("lib/python3*/site-packages/torchvision")):
        pytest.skip("torchvision is not installed beside PyTorch; no package index may have its build for CPUs")


def test_sdk_2_trains_with_the_container_s_modules_and_an_own_program(server, folder, own):
    found = journey(run(server, folder, python(""), "examples_2.py", "xgboost", "own"))
    labels = np.loadtxt(folder / "train.csv", delimiter=",")[:3, 0]
    assert [score > 0.5 for score in found["xgboost"]["scores"]] == [label > 0.5 for label in labels]
    assert found["xgboost"]["checkpoints"] == CHECKPOINTS
    assert found["own"]["model.txt"] == "4 569 algo-1 in /opt/ml/code"


@pytest.mark.slow
def test_sdk_2_trains_a_featurizer_and_boosts_over_two_hosts(server, folder):
    xgboost = pytest.importorskip("xgboost")
    found = journey(run(server, folder, python(""), "examples_2.py", "sklearn", "two_hosts"))
    rows = np.loadtxt(folder / "train.csv", delimiter=",")
    scaled = (rows[:3, 1:] - rows[:, 1:].mean(0)) / rows[:, 1:].std(0)
    np.testing.assert_allclose(np.array(found["sklearn"], float), scaled, atol=1e-6)
    twice = np.vstack([rows, rows])  # each host has the whole table
    matrix = xgboost.DMatrix(twice[:, 1:], twice[:, 0])
    booster = xgboost.train({"max_depth": 3, "objective": "binary:logistic", "nthread": 1}, matrix, 6)
    expected = booster.predict(xgboost.DMatrix(rows[:3, 1:]))
    np.testing.assert_allclose(found["two_hosts"], expected, atol=0.01)


@pytest.mark.slow
def test_sdk_3_trains_the_others(server, folder, own, torch):
    found = journey(run(server, folder, python("-3"), "examples_3.py", "xgboost", "sklearn", "own", "huggingface"))
    assert found["xgboost"] == ["xgboost-model"]
    assert found["checkpoints"] == CHECKPOINTS
    assert found["sklearn"] == ["model.joblib"]
    assert found["own"] == ["model.txt"]
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(found["huggingface"])


@pytest.mark.slow
def test_sdk_2_trains_a_transformer_with_its_trainer_and_deploys_it_by_its_task(server, folder, torch):
    assert journey(run(server, folder, python(""), "examples_2.py", "huggingface"))["huggingface"] == ["GOOD", "BAD"]


@pytest.mark.slow
def test_both_sdks_train_pytorch_with_torchvision(server, folder, torch, torchvision):
    printed = run(server, folder, python(""), "examples_2.py", "pytorch")
    assert "accuracy=1.0;" in printed
    assert journey(run(server, folder, python("-3"), "examples_3.py", "pytorch"))["pytorch"] == ["model.pt"]
