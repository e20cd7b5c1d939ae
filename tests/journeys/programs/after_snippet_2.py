"""After training with SDK 2.x: deploy, predict, read the metrics, delete, attach."""

import json

from sagemaker.analytics import TrainingJobAnalytics
from sagemaker.deserializers import JSONDeserializer
from sagemaker.serializers import CSVSerializer
from snippet import linear, sagemaker, sagemaker_session

predictor = linear.deploy(
    initial_instance_count=1,
    instance_type="ml.m4.xlarge",
    serializer=CSVSerializer(),
    deserializer=JSONDeserializer(),
)
answer = predictor.predict([[14.0, 20.0, 90.0, 600.0, 0.1, 0.1, 0.08, 0.05, 0.18, 0.06]])
predictor.delete_model()
predictor.delete_endpoint()
attached = sagemaker.estimator.Estimator.attach(linear.latest_training_job.name, sagemaker_session)
metrics = TrainingJobAnalytics(linear.latest_training_job.name, ["train:objective_loss"], sagemaker_session)
losses = metrics.dataframe()["value"].tolist()
print("JOURNEY", json.dumps({"answer": answer, "model": attached.model_data, "losses": losses}))
