"""After training with SDK 1.x: deploy, predict, delete, attach."""

import json

from sagemaker.predictor import csv_serializer, json_deserializer
from snippet import linear, sagemaker, sagemaker_session

predictor = linear.deploy(
    initial_instance_count=1,
    instance_type="ml.m4.xlarge",
)
predictor.content_type = "text/csv"
predictor.serializer = csv_serializer
predictor.deserializer = json_deserializer
answer = predictor.predict([[14.0, 20.0, 90.0, 600.0, 0.1, 0.1, 0.08, 0.05, 0.18, 0.06]])
sagemaker_session.delete_endpoint(predictor.endpoint)
attached = sagemaker.estimator.Estimator.attach(linear.latest_training_job.name, sagemaker_session)
print("JOURNEY", json.dumps({"answer": answer, "model": attached.model_data}))
