"""SKLearn of SDK 2.x: a script with its folder, dependencies and requirements, trained, attached to, and deployed."""

import io
import json
import tarfile

import boto3
import joblib
import numpy as np
import sagemaker
from sagemaker import get_execution_role
from sagemaker.analytics import TrainingJobAnalytics
from sagemaker.exceptions import UnexpectedStatusException
from sagemaker.sklearn import SKLearn

session = sagemaker.Session()
bucket = session.default_bucket()
data = session.upload_data("train.csv", bucket, "sklearn")
common = {
    "framework_version": "1.2-1",
    "role": get_execution_role(),
    "instance_type": "ml.m5.large",
    "instance_count": 1,
    "sagemaker_session": session,
}
estimator = SKLearn(
    "train_sklearn.py",
    source_dir="source_sklearn",
    dependencies=["lib/shapes"],
    hyperparameters={"strength": 0.5, "note": 'it\'s a "text", 5 % long'},
    environment={"EXTRA": "a triangle"},
    metric_definitions=[
        {"Name": "loss", "Regex": "loss=([0-9.]+);"},
        {"Name": "accuracy", "Regex": "accuracy=([0-9.]+);"},
    ],
    **common,
)
estimator.fit({"train": data})


def archive(uri):
    """Return the files of a stored tar.gz by name."""
    place, _, key = uri.removeprefix("s3://").partition("/")
    content = boto3.client("s3").get_object(Bucket=place, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(content)) as members:
        return {one.name: members.extractfile(one).read() for one in members if one.isfile()}


rows = np.loadtxt("train.csv", delimiter=",")
again = SKLearn.attach(estimator.latest_training_job.name, sagemaker_session=session)
model = archive(again.model_data)
expected = joblib.load(io.BytesIO(model["model.joblib"])).predict(rows[:, 1:])
predictor = again.create_model(entry_point="inference.py", source_dir="source").deploy(1, "ml.m5.large")
answered = predictor.predict(rows[:, 1:])
predictor.delete_endpoint()

failures = []
for quietly in (False, True):
    failing = SKLearn("source/fails.py", hyperparameters={"quietly": ""} if quietly else {}, **common)
    try:
        failing.fit({"train": data})
    except UnexpectedStatusException as error:
        failures.append(str(error))

reported = estimator.latest_training_job.describe()
curve = TrainingJobAnalytics(estimator.latest_training_job.name, sagemaker_session=session).dataframe()
found = {
    "model": sorted(model),
    "agree": bool(np.array_equal(answered, expected)),
    "accuracy": float(np.mean(answered == rows[:, 0])),
    "outputs": json.loads(archive(estimator.output_path + estimator.latest_training_job.name + "/output/output.tar.gz")["facts.json"]),
    "final": {metric["MetricName"]: metric["Value"] for metric in reported["FinalMetricDataList"]},
    "curve": dict(zip(curve["metric_name"], curve["value"])),
    "transitions": [one["Status"] for one in reported["SecondaryStatusTransitions"]],
    "attached": {name: again.hyperparameters()[name] for name in ("strength", "note")},
    "failures": failures,
}
print("JOURNEY", json.dumps(found))
