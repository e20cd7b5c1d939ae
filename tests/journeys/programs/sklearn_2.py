"""A scikit-learn estimator of SDK 2.x, from fit to predict."""

import json

import numpy as np
import sagemaker
from sagemaker import get_execution_role
from sagemaker.sklearn import SKLearn

session = sagemaker.Session()
data = session.upload_data("train.csv", bucket=session.default_bucket(), key_prefix="sklearn-data")
estimator = SKLearn(
    entry_point="sklearn_script.py",
    framework_version="1.2-1",
    py_version="py3",
    instance_type="ml.m5.large",
    role=get_execution_role(),
    hyperparameters={"max-depth": 3},
    metric_definitions=[{"Name": "accuracy", "Regex": "accuracy=(.*?);"}],
    sagemaker_session=session,
)
estimator.fit({"train": data})
predictor = estimator.deploy(initial_instance_count=1, instance_type="ml.m5.large")
rows = np.loadtxt("train.csv", delimiter=",")
answers = predictor.predict(rows[:, 1:])
metric = estimator.training_job_analytics.dataframe()["value"].tolist()[-1]
predictor.delete_model()
predictor.delete_endpoint()
print("JOURNEY", json.dumps({"agrees": float(np.mean(answers == rows[:, 0])), "accuracy": metric, "rows": len(answers)}))
