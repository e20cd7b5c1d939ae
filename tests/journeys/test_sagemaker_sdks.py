"""The SageMaker snippet, verbatim, under each generation of the SDK, wired by `lowcloud run` and nothing else."""

from pathlib import Path

import pytest

from tests.support.programs.sdk_programs import journey, python, run


@pytest.mark.parametrize(("version", "program"), [("", "after_snippet_2.py"), ("-1", "after_snippet_1.py")])
def test_the_snippet_trains_deploys_and_predicts(server, folder, version, program):
    interpreter = python(version)
    run(server, folder, interpreter, "upload.py")
    printed = run(server, folder, interpreter, program)
    assert "#quality_metric" in printed, "fit() streams the log"
    found = journey(printed)
    assert set(found["answer"]["predictions"][0]) == {"score", "predicted_label"}
    assert found["model"].endswith("/output/model.tar.gz")
    if "losses" in found:
        assert found["losses"]


def test_the_sdks_own_estimator_trains_on_recordio(server, folder):
    assert journey(run(server, folder, python(""), "linear_learner_2.py"))["accuracy"] > 0.85


def test_the_model_trainer_of_sdk_3_trains(server, folder):
    found = journey(run(server, folder, python("-3"), "trainer_3.py"))
    assert found["status"] == "Completed"
    assert found["model"].endswith("/output/model.tar.gz")


@pytest.mark.parametrize(("version", "program"), [("", "experiments_2.py"), ("-3", "experiments_3.py")])
def test_runs_of_an_experiment_are_stored_found_and_compared(server, folder, version, program):
    found = journey(run(server, folder, python(version), program))
    assert found["runs"] == ["by-hand", "with-a-job"]
    assert found["parameters"]["by-hand"] == {"rate": 0.5, "depth": 3.0, "kind": "tree", "later": "yes"}
    assert found["outputs"]["by-hand"] == ["notes"]
    assert found["statuses"] == ["Completed", "Completed"]
    assert "train:objective_loss" in found["curve"]
    assert f"{found['job']}-aws-training-job" in found["components"]
    assert (found["least_loss"], found["points"]) == (1 / 25, 25)
    assert found["datasets"] == [found["data"]]
    assert found.get("sources", [found["job"]]) == [found["job"]], "the run names its job"


@pytest.mark.slow
def test_a_job_loads_the_run_that_it_is_part_of(server, folder):
    environment = Path(python("")).parents[1]
    server.cli("image", "add", "journey-of-jobs", "--python", str(environment))
    found = journey(run(server, folder, python(""), "experiments_job_2.py", "journey-of-jobs"))
    for name, source in (("training", "SageMakerTrainingJob"), ("processing", "SageMakerProcessingJob")):
        assert found[name] == {"parameters": {"logged-by": name}, "metrics": {"loss": 0.25}, "sources": [source]}
