"""SDK 3.x: a ModelTrainer with an entry script and with a command; with a failure; on two hosts."""

import io
import json
import tarfile

import boto3
from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import CheckpointConfig, Compute, InputData, SourceCode

session = Session()
bucket = session.default_bucket()
s3 = boto3.client("s3")
s3.upload_file("train.csv", bucket, "trainer/train.csv")
inputs = [InputData(channel_name="train", data_source=f"s3://{bucket}/trainer/")]


def trainer(name, source, hosts=1, **more):
    return ModelTrainer(
        training_image=image_uris.retrieve("sklearn", "us-east-1", "1.2-1"),
        source_code=SourceCode(**source),
        role=get_execution_role(),
        sagemaker_session=session,
        compute=Compute(instance_type="ml.m5.large", instance_count=hosts),
        base_job_name=name,
        **more,
    )


def model(job):
    """Return the files of a job's model as text."""
    place, _, key = job.model_artifacts.s3_model_artifacts.removeprefix("s3://").partition("/")
    content = s3.get_object(Bucket=place, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(content)) as members:
        return {one.name: members.extractfile(one).read().decode() for one in members if one.isfile()}


scripted = trainer(
    "by-script",
    {"source_dir": "source_3", "entry_script": "train.py", "requirements": "requirements.txt"},
    hyperparameters={"rate": 0.25, "layers": [3, 4]},
    checkpoint_config=CheckpointConfig(s3_uri=f"s3://{bucket}/trainer-checkpoints", local_path="/opt/ml/checkpoints"),
)
scripted.train(inputs)
found = {"facts": json.loads(model(scripted._latest_training_job.refresh())["facts.json"])}
found["checkpoint"] = s3.get_object(Bucket=bucket, Key="trainer-checkpoints/last")["Body"].read().decode()

command = {"source_dir": "source", "command": "echo $SM_CURRENT_HOST of $SM_HOST_COUNT > $SM_MODEL_DIR/host && python talks.py"}
two = trainer("by-command", command, 2)
two.train()
found["two"] = model(two._latest_training_job.refresh())

failing = trainer("fails", {"source_dir": "source_3", "entry_script": "train.py", "requirements": "requirements.txt"}, hyperparameters={"fail": "yes"})
try:
    failing.train(inputs)
except Exception as error:
    found["error"] = str(error)
print("JOURNEY", json.dumps(found))
