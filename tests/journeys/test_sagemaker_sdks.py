"""The SageMaker snippet, verbatim, under each generation of the SDK, wired by `lowcloud run` and nothing else."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from tests.running import RunningCloud, csv_of

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"


def python(version: str) -> str:
    """The interpreter of an SDK's environment."""
    interpreter = ROOT / f".venv-sagemaker{version}" / "bin" / "python"
    if not interpreter.exists():
        pytest.skip(f"{interpreter.parent.parent.name} is not installed; run scripts/install --tests")
    return str(interpreter)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder: the programs, and their data."""
    shutil.copytree(PROGRAMS, tmp_path / "work")
    patients = load_breast_cancer()
    (tmp_path / "work" / "train.csv").write_bytes(csv_of(np.column_stack([patients.target, patients.data[:, :10]])))
    return tmp_path / "work"


def run(cloud: RunningCloud, folder: Path, interpreter: str, program: str, *arguments: str) -> str:
    """Run a program of the user's folder; what it printed."""
    # A user's own keys, which must neither be used nor stand in the way.
    keys = {"AWS_ACCESS_KEY_ID": "AKIAREALKEY000000000", "AWS_SECRET_ACCESS_KEY": "real", "AWS_PROFILE": "production"}
    done = cloud.cli("run", interpreter, "-W", "ignore", program, *arguments, cwd=folder, check=False, **keys)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def journey(printed: str) -> dict[str, Any]:
    """What a program says of itself at its end."""
    found: dict[str, Any] = json.loads(printed.rsplit("JOURNEY ", 1)[1])
    return found


@pytest.mark.parametrize(("version", "program"), [("", "after_snippet_2.py"), ("-1", "after_snippet_1.py")])
def test_the_snippet_trains_deploys_and_predicts(running_cloud, folder, version, program):
    interpreter = python(version)
    run(running_cloud, folder, interpreter, "upload.py")
    printed = run(running_cloud, folder, interpreter, program)
    assert "#quality_metric" in printed, "fit() streams the log"
    found = journey(printed)
    assert set(found["answer"]["predictions"][0]) == {"score", "predicted_label"}
    assert found["model"].endswith("/output/model.tar.gz")
    if "losses" in found:
        assert found["losses"]


def test_the_sdks_own_estimator_trains_on_recordio(running_cloud, folder):
    assert journey(run(running_cloud, folder, python(""), "linear_learner_2.py"))["accuracy"] > 0.85


def test_the_model_trainer_of_sdk_3_trains(running_cloud, folder):
    found = journey(run(running_cloud, folder, python("-3"), "trainer_3.py"))
    assert found["status"] == "Completed"
    assert found["model"].endswith("/output/model.tar.gz")


def test_a_scikit_learn_script_is_fitted_deployed_and_asked(running_cloud, folder):
    found = journey(run(running_cloud, folder, python(""), "sklearn_2.py"))
    assert found["rows"] == 569
    assert found["agrees"] == found["accuracy"] > 0.9


@pytest.mark.parametrize(("version", "program"), [("", "experiments_2.py"), ("-3", "experiments_3.py")])
def test_runs_of_an_experiment_are_kept_found_and_compared(running_cloud, folder, version, program):
    found = journey(run(running_cloud, folder, python(version), program))
    assert found["runs"] == ["by-hand", "with-a-job"]
    assert found["parameters"]["by-hand"] == {"rate": 0.5, "depth": 3.0, "kind": "tree", "later": "yes"}
    assert found["outputs"]["by-hand"] == ["notes"]
    assert found["statuses"] == ["Completed", "Completed"]
    assert "train:objective_loss" in found["curve"]
    assert f"{found['job']}-aws-training-job" in found["components"]
    assert (found["least_loss"], found["points"]) == (1 / 25, 25)
    assert found["datasets"] == [found["data"]]
    assert found.get("sources", [found["job"]]) == [found["job"]], "the run tells of its job"


@pytest.mark.slow
def test_a_job_loads_the_run_that_it_is_part_of(running_cloud, folder):
    environment = Path(python("")).parents[1]
    running_cloud.cli("image", "add", "journey-of-jobs", "--python", str(environment))
    found = journey(run(running_cloud, folder, python(""), "experiments_job_2.py", "journey-of-jobs"))
    for name, source in (("training", "SageMakerTrainingJob"), ("processing", "SageMakerProcessingJob")):
        assert found[name] == {"parameters": {"logged-by": name}, "metrics": {"loss": 0.25}, "sources": [source]}
