"""The SDK's estimators and processors with users' own scripts: what they trained, wrote, printed and failed with."""

import io
import tarfile
from typing import Any

import numpy as np
import pytest

from tests.journeys.sdk import journey, python, run
from tests.running import RunningCloud

SCRIPT_ERROR = "ValueError: the rows have 11 columns, expected 12"


def test_a_scikit_learn_script_trains_with_all_it_brings_and_its_model_answers(running_cloud, folder):
    printed = run(running_cloud, folder, python(""), "sklearn_2.py")
    assert "hello and 3 sides of a triangle" in printed, "requirements.txt, dependencies and environment are there"
    assert "The image asks for scikit-learn 1.2; here runs scikit-learn" in printed
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
    assert found["curve"]["loss"] == pytest.approx(11 / 18, abs=1e-5), "the mean of the minute, as CloudWatch tells it"
    assert found["transitions"] == [
        *("Starting", "PreparingTrainingStack", "Downloading", "Training", "Uploading", "Completed")
    ]
    raised, quiet = found["failures"]
    assert "ExitCode 1" in raised
    assert SCRIPT_ERROR in raised
    assert 'ExitCode 3\nErrorMessage "about to fail"' in quiet


def test_xgboost_trains_the_same_model_by_itself_and_by_a_script(running_cloud, folder, s3):
    xgboost = pytest.importorskip("xgboost")
    rows = np.loadtxt(folder / "train.csv", delimiter=",")
    matrix = xgboost.DMatrix(rows[:, 1:], rows[:, 0])
    parameters = {"max_depth": 3, "objective": "binary:logistic", "tree_method": "exact"}
    expected = xgboost.train(parameters, matrix, 7).predict(matrix)
    found = journey(run(running_cloud, folder, python(""), "xgboost_2.py"))
    for uri in found.values():
        booster = xgboost.Booster(model_file=bytearray(member_of(s3, uri, "xgboost-model")))
        np.testing.assert_allclose(booster.predict(matrix), expected, rtol=1e-5)


def member_of(s3: Any, uri: str, name: str) -> bytes:
    """A file of an archive in the store."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        member = archive.extractfile(name)
        assert member is not None
        return member.read()


def test_processors_run_scripts_folders_of_code_and_the_ready_programs(running_cloud: RunningCloud, folder):
    printed = run(running_cloud, folder, python(""), "processing_2.py")
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
