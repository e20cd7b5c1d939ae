"""SDK 3.x: a ModelTrainer on the built-in image."""

import json

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, InputData, OutputDataConfig

session = Session()
bucket = session.default_bucket()
boto3.client("s3").upload_file("train.csv", bucket, "my-data/train.csv")
trainer = ModelTrainer(
    training_image=image_uris.retrieve("linear-learner", session.boto_region_name),
    role=get_execution_role(),
    sagemaker_session=session,
    compute=Compute(instance_type="ml.c5.xlarge", instance_count=1, volume_size_in_gb=10),
    output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/output"),
    hyperparameters={"feature_dim": 10, "predictor_type": "binary_classifier"},
)
trainer.train(input_data_config=[InputData(channel_name="train", data_source=f"s3://{bucket}/my-data")])
job = trainer._latest_training_job
job.refresh()
print("JOURNEY", json.dumps({"status": job.training_job_status, "model": job.model_artifacts.s3_model_artifacts}))
