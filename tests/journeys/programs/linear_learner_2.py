"""The SDK's own LinearLearner estimator: RecordIO-protobuf in and out."""

import json

import numpy as np
import sagemaker
from sagemaker import LinearLearner, get_execution_role

rows = np.loadtxt("train.csv", delimiter=",", dtype="float32")
features, labels = rows[:, 1:], rows[:, 0]
estimator = LinearLearner(
    role=get_execution_role(),
    instance_count=1,
    instance_type="ml.c5.xlarge",
    predictor_type="binary_classifier",
    num_models=4,
    sagemaker_session=sagemaker.Session(),
)
estimator.fit(estimator.record_set(features, labels=labels))
predictor = estimator.deploy(initial_instance_count=1, instance_type="ml.m5.large")
records = predictor.predict(features)
predicted = [record.label["predicted_label"].float32_tensor.values[0] for record in records]
predictor.delete_endpoint()
print("JOURNEY", json.dumps({"accuracy": float(np.mean(np.array(predicted) == labels))}))
