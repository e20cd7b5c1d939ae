"""lowcloud.train on a running cloud trains the same models as the same code in this process."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import cloudpickle
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

import lowcloud
from lowcloud.runtime.feature_transforms import SourceColumn, Transform, save
from lowcloud.runtime.feature_transforms.features import OneHot, Scaled
from lowcloud.sdk import storage
from lowcloud.sdk.connection import connect
from tests.support.servers.server import Server

pytestmark = pytest.mark.usefixtures("at_home")

PATIENTS = load_breast_cancer(as_frame=True)
FEATURES = PATIENTS.data.iloc[:, :10]
FRAME = FEATURES.assign(malignant=PATIENTS.target)
BINARY = {"predictor_type": "binary_classifier", "epochs": 3, "num_models": 1}
SCRIPT = """\
import argparse
import json
import os

from counting import count_lines

parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int)
depth = parser.parse_args().depth
lines = count_lines(os.environ["SM_CHANNEL_TRAIN"])
for step in range(3):
    print(f"loss={3 - step}")
with open(os.path.join(os.environ["SM_MODEL_DIR"], "model.json"), "w") as file:
    json.dump({"lines": lines, "depth": depth}, file)
"""
COUNTING = """\
import os

def count_lines(folder):
    return {name: len(open(os.path.join(folder, name)).readlines()) for name in os.listdir(folder)}
"""


def fit_logistic(data: pd.DataFrame, parameters: dict[str, float]) -> LogisticRegression:
    """A user's function."""
    print("rows", len(data))
    return LogisticRegression(C=parameters["C"], max_iter=3000).fit(data.drop(columns="malignant"), data["malignant"])


def test_a_built_in_algorithm_trains_on_a_table_and_predicts():
    job = lowcloud.train("linear-learner", FRAME, BINARY, target="malignant", validation=0.2, quiet=True)
    assert job.status == "Completed"
    assert job.parameters == {"predictor_type": "binary_classifier", "epochs": "3", "num_models": "1"}
    assert job.metrics["validation:binary_classification_accuracy"] > 0.85
    assert any("#quality_metric" in line for line in job.logs())
    with job.deploy() as endpoint:
        assert np.mean(endpoint.predict(FEATURES) == PATIENTS.target) > 0.85
        by_frame = endpoint.predict(FEATURES.head(3))
        assert endpoint.predict(FEATURES.head(3).to_numpy().tolist()).tolist() == by_frame.tolist()
        assert endpoint.predict(FEATURES.iloc[0].to_numpy()).tolist() == by_frame[:1].tolist()
        found = lowcloud.endpoint(endpoint.name)
        backwards = FRAME[FRAME.columns[::-1]]
        assert found.predict(backwards).tolist() == endpoint.predict(FEATURES).tolist()
        with pytest.raises(lowcloud.InvalidInputError, match="missing: 'mean area'"):
            found.predict(FRAME.drop(columns="mean area"))
    endpoint.delete()
    assert "Deleted" in repr(endpoint)
    with pytest.raises(lowcloud.InvalidInputError, match=f"There is already a job {job.name!r}"):
        lowcloud.train("linear-learner", FRAME, BINARY, target="malignant", name=job.name)


def test_a_model_with_a_transform_predicts_for_raw_rows(tmp_path):
    sources = (SourceColumn("age", "number"), SourceColumn("city", "text"))
    save(
        Transform(sources, (Scaled("age", fill=1.0), OneHot("city", ("Oslo", "Rome, N")))), tmp_path / "transform.json"
    )
    place = storage.upload(connect(), {"transform.json": tmp_path / "transform.json"})
    columns = {name: [row % (place + 2) for row in range(40)] for place, name in enumerate(["y", "a", "b", "c"])}
    train = pd.DataFrame(columns)
    job = lowcloud.train("xgboost", {"train": train, "transform": place}, {"num_round": 2}, target="y", quiet=True)
    with job.deploy() as endpoint:
        frame = pd.DataFrame({"city": ["Oslo", "Rome, N"], "age": [1, 3]})
        answers = endpoint.predict(frame)
        assert answers.tolist() == endpoint.predict(frame[["age", "city"]]).tolist()
        assert endpoint.predict([[1, "Oslo"], [3, "Rome, N"]]).tolist() == answers.tolist()
        assert len(answers) == 2
        with pytest.raises(lowcloud.LowcloudError, match="town"):
            endpoint.predict(frame.rename(columns={"city": "town"}))


def test_a_function_trains_the_same_model_in_a_job_as_here(capsys):
    job = lowcloud.train(fit_logistic, FRAME, {"C": 0.5})
    printed = capsys.readouterr().out
    assert "rows 569" in job.logs()
    assert "completed after" in printed
    here = fit_logistic(FRAME, {"C": 0.5})
    assert job.parameters == {"C": 0.5}
    with job.deploy() as endpoint:
        answer = endpoint.predict(FEATURES)
        assert answer.dtype == np.int64
        assert answer.tolist() == here.predict(FEATURES).tolist()
        assert endpoint.predict(FEATURES.head(2).to_dict(orient="list")).tolist() == answer[:2].tolist()


def test_a_function_gets_arrays_files_and_folders_unchanged(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").write_text("in a folder")
    (tmp_path / "file.txt").write_text("a file")
    bias = 40

    def train(data):
        assert data["array"].tolist() == [[1.5, 2.0]]
        assert data["table"]["x"].to_list() == [1, None]
        assert data["file"].read_text() == "a file"
        assert (data["folder"] / "a.txt").read_text() == "in a folder"
        return lambda rows: rows.sum(axis=1) + bias

    data = {
        "array": np.array([[1.5, 2.0]]),
        "table": pl.DataFrame({"x": [1, None]}),
        "file": tmp_path / "file.txt",
        "folder": str(tmp_path / "folder"),
    }
    with lowcloud.train(train, data, quiet=True).deploy() as endpoint:
        assert endpoint.predict([[1, 2], [3, 4]]).tolist() == [43, 47]


def test_a_script_imports_its_own_modules_and_reads_a_table_as_csv(at_home: Server, tmp_path):
    sagemaker = at_home.client("sagemaker")
    sagemaker.create_experiment(ExperimentName="python-sdk")
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "counting.py").write_text(COUNTING)
    job = lowcloud.train(
        tmp_path / "train.py",
        FRAME,
        {"depth": 3},
        quiet=True,
        metrics={"loss": r"loss=(\S+)"},
        tags={"team": "a"},
        experiment="python-sdk",
    )
    [component] = sagemaker.list_trial_components(ExperimentName="python-sdk")["TrialComponentSummaries"]
    assert component["TrialComponentName"].startswith(job.name)
    assert sagemaker.list_tags(ResourceArn=job._summary()["TrainingJobArn"])["Tags"] == [{"Key": "team", "Value": "a"}]
    files = job.download(tmp_path / "model")
    assert [file.name for file in files] == ["model.json"]
    assert files[0].read_text() == '{"lines": {"train.csv": 570}, "depth": 3}'
    assert job.metrics == {"loss": 1.0}
    assert job.parameters == lowcloud.job(job.name).parameters == {"depth": 3}


def test_a_folder_of_scripts_trains_on_an_s3_url(at_home: Server, tmp_path):
    s3 = at_home.client("s3")
    s3.create_bucket(Bucket="sagemaker-python-sdk")
    s3.put_object(Bucket="sagemaker-python-sdk", Key="in/lines.txt", Body=b"1\n2\n")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train.py").write_text(SCRIPT)
    (tmp_path / "code" / "counting.py").write_text(COUNTING)
    job = lowcloud.train(tmp_path / "code", "s3://sagemaker-python-sdk/in/", quiet=True)
    assert job.download(tmp_path / "out")[0].read_text() == '{"lines": {"lines.txt": 2}, "depth": null}'


def test_a_failed_job_raises_with_the_reason_and_the_end_of_the_log(tmp_path):
    (tmp_path / "train.py").write_text("print('so far so good')\nraise ValueError('no such thing')\n")
    (tmp_path / "data.txt").write_text("x")
    with pytest.raises(lowcloud.JobFailedError) as caught:
        lowcloud.train(tmp_path / "train.py", tmp_path / "data.txt", quiet=True)
    assert "no such thing" in caught.value.reason
    assert "so far so good" in caught.value.lines
    job = lowcloud.job(caught.value.name)
    assert job.status == "Failed"
    assert "no such thing" in (job.failure or "")
    with pytest.raises(lowcloud.InvalidInputError, match="has no model"):
        _ = job.artifact


def test_the_traceback_of_a_function_has_its_file_and_nothing_of_lowclouds(tmp_path):
    (tmp_path / "data.txt").write_text("x")

    def broken(data):
        raise RuntimeError("out of luck")

    with pytest.raises(lowcloud.JobFailedError) as caught:
        lowcloud.train(broken, tmp_path / "data.txt", quiet=True)
    said = str(caught.value)
    assert 'File "test_training.py", line' in said
    assert 'raise RuntimeError("out of luck")' in said
    assert "lowcloud_program" not in said.partition("Traceback")[2]
    assert "dynamic-code" not in said
    assert said.count("RuntimeError: out of luck") == 1


def test_a_script_that_saves_nothing_is_told(tmp_path, capsys):
    (tmp_path / "data.txt").write_text("x")
    (tmp_path / "train.py").write_text("print('done')\n")
    lowcloud.train(tmp_path / "train.py", tmp_path / "data.txt")
    assert "The script saved nothing" in capsys.readouterr().out
    (tmp_path / "train.py").write_text("open('/opt/ml/model/weights', 'w').write('1')\n")
    lowcloud.train(tmp_path / "train.py", tmp_path / "data.txt")
    assert "The script saved nothing" not in capsys.readouterr().out


def test_a_function_that_returns_no_model_fails_with_advice(tmp_path):
    (tmp_path / "data.txt").write_text("x")
    with pytest.raises(lowcloud.JobFailedError, match=r"The function returned a NoneType\. It must return the model"):
        lowcloud.train(lambda data: None, tmp_path / "data.txt", quiet=True)


def test_a_failed_prediction_raises_with_the_reason(tmp_path):
    (tmp_path / "data.txt").write_text("x")

    def train(data):
        def model(rows):
            raise RuntimeError("these rows are bad")

        return model

    with lowcloud.train(train, tmp_path / "data.txt", quiet=True).deploy("unable") as endpoint:
        with pytest.raises(lowcloud.PredictionFailedError, match="these rows are bad"):
            endpoint.predict([[1]])
        with pytest.raises(lowcloud.InvalidInputError, match="There is already"):
            lowcloud.train(train, tmp_path / "data.txt", quiet=True).deploy("unable")
        assert lowcloud.endpoint("unable").status == "InService"


def test_a_job_is_followed_and_stopped(tmp_path):
    (tmp_path / "train.py").write_text("import time\nprint('begun', flush=True)\ntime.sleep(600)\n")
    (tmp_path / "data.txt").write_text("x")
    job = lowcloud.train(tmp_path / "train.py", tmp_path / "data.txt", wait=False)
    lines = job.logs(follow=True)
    assert "begun" in lines
    assert not job.is_over
    job.stop()
    assert job.wait(quiet=True).status == "Stopped"
    assert job.stop().status == "Stopped"


def test_a_job_whose_bucket_was_deleted_raises_an_error_of_the_sdk(at_home: Server, tmp_path):
    (tmp_path / "train.py").write_text("print('trained')\n")
    (tmp_path / "data.txt").write_text("x")
    job = lowcloud.train(tmp_path / "train.py", tmp_path / "data.txt", quiet=True)
    description = {"ModelArtifacts": {"S3ModelArtifacts": "s3://deleted-bucket/model.tar.gz"}}
    with pytest.raises(lowcloud.RefusedError) as caught:
        job._stored_model(description)
    assert caught.value.code == "NoSuchBucket"


def test_parameters_that_other_clients_have_sent_as_plain_texts_are_read(at_home: Server):
    job = lowcloud.train("linear-learner", FRAME, BINARY, target="malignant", wait=False)
    plain = {"sagemaker_program": "train.py", "sagemaker_submit_directory": "s3://code/x.tar.gz", "a": "blue", "b": "2"}
    job._request = {"HyperParameters": plain}
    assert job.parameters == {"a": "blue", "b": 2}


def test_the_deployment_of_a_job_without_a_model_says_why(at_home: Server, tmp_path):
    (tmp_path / "train.py").write_text("pass\n")
    (tmp_path / "data.txt").write_text("x")
    job = lowcloud.train(tmp_path / "train.py", tmp_path / "data.txt", quiet=True)
    bucket, key = storage.parse_url(job.artifact)
    at_home.client("s3").delete_object(Bucket=bucket, Key=key)
    with pytest.raises(lowcloud.InvalidInputError, match=rf"its model s3://{bucket}/.* has been deleted; train again"):
        job.deploy()
    (tmp_path / "train.py").write_text("import time\ntime.sleep(600)\n")
    stopped = lowcloud.train(tmp_path / "train.py", tmp_path / "data.txt", wait=False).stop()
    stopped.wait(quiet=True)
    _, key = storage.parse_url(stopped._describe()["ModelArtifacts"]["S3ModelArtifacts"])
    at_home.client("s3").delete_object(Bucket=bucket, Key=key)  # if it had begun
    with pytest.raises(lowcloud.InvalidInputError, match=f"{stopped.name} was stopped before it saved a model"):
        stopped.deploy()


def test_the_same_data_is_uploaded_once(at_home: Server):
    jobs = [lowcloud.train("linear-learner", FRAME, BINARY, target="malignant", wait=False) for _ in range(2)]
    places = {job._describe()["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] for job in jobs}
    assert len(places) == 1
    bucket, _, prefix = places.pop().removeprefix("s3://").partition("/")
    s3 = at_home.client("s3")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    lowcloud.train("linear-learner", FRAME, BINARY, target="malignant", quiet=True)
    assert len(s3.list_object_versions(Bucket=bucket, Prefix=prefix)["Versions"]) == 1


def test_a_model_that_cannot_be_loaded_raises_with_the_reason_and_leaves_no_endpoint(tmp_path):
    (tmp_path / "train.py").write_text("def model_fn(folder):\n    raise OSError('nothing to load')\n")
    (tmp_path / "data.txt").write_text("x")
    job = lowcloud.train(tmp_path / "train.py", tmp_path / "data.txt", quiet=True)
    for _ in range(2):
        with pytest.raises(lowcloud.EndpointFailedError, match="nothing to load"):
            job.deploy("hollow")


def test_a_large_file_is_uploaded_in_parts(at_home: Server, tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "PART_BYTES", 5 * 1024 * 1024)
    content = np.random.default_rng(0).bytes(11 * 1024 * 1024)
    (tmp_path / "large.bin").write_bytes(content)
    cloud = connect()
    url = storage.upload(cloud, {"large.bin": tmp_path / "large.bin"}) + "large.bin"
    assert storage.download(cloud, url) == content
    bucket, key = storage.parse_url(url)
    assert at_home.client("s3").head_object(Bucket=bucket, Key=key)["ETag"].endswith('-3"')


def test_the_lineage_connects_data_and_code_to_the_model(tmp_path):
    (tmp_path / "data.txt").write_text("x")
    job = lowcloud.train(lambda data: len, tmp_path / "data.txt", quiet=True)
    types = {node.place: node.type for node in job.lineage}
    assert types[job.artifact] == "Model"
    assert {"DataSet", "Code", "TrainingJob"} <= set(types.values())


def test_a_function_runs_in_the_python_environment_of_its_caller(at_home: Server, tmp_path):
    venv.create(tmp_path / "own", symlinks=True)
    packages = next((tmp_path / "own" / "lib").glob("python3*")) / "site-packages"
    (packages / "onlyhere.py").write_text("ANSWER = 42\n")
    shutil.copytree(Path(cloudpickle.__file__).parent, packages / "cloudpickle")  # which the job needs there
    program = """
import lowcloud
def train(data):
    import onlyhere, sys
    print("prefix", sys.base_prefix != sys.prefix, onlyhere.ANSWER)
    return len
print(lowcloud.train(train, "data.txt", quiet=True).logs())
"""
    (tmp_path / "data.txt").write_text("x")
    here = [str(Path(lowcloud.__file__).parents[1]), *(path for path in sys.path if path.endswith("site-packages"))]
    done = subprocess.run(
        [tmp_path / "own" / "bin" / "python", "-c", program],
        cwd=tmp_path,
        env={**os.environ, "LOWCLOUD_HOME": str(at_home.home), "PYTHONPATH": os.pathsep.join(here)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert "prefix True 42" in done.stdout, done.stdout + done.stderr
