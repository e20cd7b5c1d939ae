"""SDK 2.x: File, FastFile and Pipe mode, a manifest, and two hosts that communicate."""

import io
import json
import tarfile

import boto3
import sagemaker
from sagemaker import get_execution_role, image_uris
from sagemaker.estimator import Estimator
from sagemaker.inputs import TrainingInput

session = sagemaker.Session()
bucket = session.default_bucket()
s3 = boto3.client("s3")
for name in ("a", "b", "c"):
    s3.put_object(Bucket=bucket, Key=f"inputs/{name}.txt", Body=f"text of {name}\n")
s3.put_object(Bucket=bucket, Key="some.manifest", Body=json.dumps([{"prefix": f"s3://{bucket}/inputs/"}, "a.txt", "c.txt"]))
prefix, manifest = f"s3://{bucket}/inputs/", f"s3://{bucket}/some.manifest"
common = {
    "source_dir": "source",
    "image_uri": image_uris.retrieve("sklearn", "us-east-1", "1.2-1"),
    "role": get_execution_role(),
    "instance_type": "ml.m5.large",
    "sagemaker_session": session,
}


def fit(script, hosts, inputs=None):
    """Return the files of a script's model as text."""
    estimator = Estimator(entry_point=script, instance_count=hosts, **common)
    estimator.fit(inputs)
    place, _, key = estimator.model_data.removeprefix("s3://").partition("/")
    content = s3.get_object(Bucket=place, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(content)) as members:
        return {one.name: members.extractfile(one).read().decode() for one in members if one.isfile()}


channels = {
    "file": TrainingInput(prefix),
    "lazy": TrainingInput(prefix, input_mode="FastFile"),
    "pipe": TrainingInput(prefix, input_mode="Pipe"),
    "listed": TrainingInput(manifest, s3_data_type="ManifestFile"),
}
found = {"read": json.loads(fit("reads.py", 1, channels)["read.json"]), "sum": fit("talks.py", 2)["sum"]}
print("JOURNEY", json.dumps(found))
