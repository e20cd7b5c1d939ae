"""SDK 3.x: scripts of the shape of SageMaker's public examples, trained by ModelTrainer. Arguments: which of them."""

import io
import json
import sys
import tarfile

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import CheckpointConfig, Compute, InputData, SourceCode

session = Session()
bucket = session.default_bucket()
s3 = boto3.client("s3")
s3.upload_file("train.csv", bucket, "examples-3/train.csv")
inputs = [InputData(channel_name="train", data_source=f"s3://{bucket}/examples-3/")]
SCRIPTS = {
    "xgboost": ("abalone.py", "sagemaker-xgboost:1.7-1", {"max_depth": 3, "num_round": 6}),
    "sklearn": ("featurizer.py", "sagemaker-scikit-learn:1.2-1-cpu-py3", {}),
    "pytorch": ("mnist.py", "pytorch-training:2.3.0-cpu-py311", {"epochs": 30}),
    "huggingface": ("sentiment.py", "huggingface-pytorch-training:2.1.0-transformers4.36.0-gpu-py310", {}),
}
found = {}
for name in sys.argv[1:]:
    more = {}
    if name == "own":
        image, source, parameters = "journey-own", SourceCode(source_dir="source_own", entry_script="fit.py"), {"depth": 4}
    else:
        script, tag, parameters = SCRIPTS[name]
        image, source = f"763104351884.dkr.ecr.us-east-1.amazonaws.com/{tag}", SourceCode(source_dir="source_examples", entry_script=script)
    if name == "xgboost":
        more["checkpoint_config"] = CheckpointConfig(s3_uri=f"s3://{bucket}/examples-3-checkpoints")
    trainer = ModelTrainer(
        training_image=image,
        source_code=source,
        role=get_execution_role(),
        sagemaker_session=session,
        compute=Compute(instance_type="ml.m5.large", instance_count=1),
        hyperparameters=parameters,
        **more,
    )
    trainer.train(inputs)
    place, _, key = trainer._latest_training_job.refresh().model_artifacts.s3_model_artifacts.removeprefix("s3://").partition("/")
    with tarfile.open(fileobj=io.BytesIO(s3.get_object(Bucket=place, Key=key)["Body"].read())) as members:
        found[name] = sorted(one.name for one in members if one.isfile())
if "xgboost" in found:
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="examples-3-checkpoints/")
    found["checkpoints"] = sorted(one["Key"].rpartition("/")[2] for one in listed["Contents"])
print("JOURNEY", json.dumps(found))
