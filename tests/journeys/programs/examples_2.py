"""SDK 2.x: scripts of the shape of SageMaker's public examples, trained and deployed. Arguments: which of them."""

import io
import json
import sys
import tarfile

import boto3
import sagemaker
from sagemaker import get_execution_role
from sagemaker.deserializers import CSVDeserializer, JSONDeserializer
from sagemaker.estimator import Estimator
from sagemaker.huggingface import HuggingFace
from sagemaker.pytorch import PyTorch
from sagemaker.serializers import CSVSerializer
from sagemaker.sklearn import SKLearn
from sagemaker.xgboost import XGBoost

session = sagemaker.Session()
bucket = session.default_bucket()
data = session.upload_data("train.csv", bucket, "examples")
common = {"role": get_execution_role(), "instance_type": "ml.m5.large", "sagemaker_session": session}
rows = open("train.csv").read().splitlines()
features = [row.partition(",")[2] for row in rows[:3]]


def ask(estimator, body, deserializer, **more):
    """Return what an endpoint of the estimator's model answers."""
    predictor = estimator.deploy(1, "ml.m5.large", serializer=CSVSerializer(), deserializer=deserializer, **more)
    answer = predictor.predict(body)
    predictor.delete_endpoint()
    return answer


def files(uri):
    """Return the files of a model as text."""
    place, _, key = uri.removeprefix("s3://").partition("/")
    content = boto3.client("s3").get_object(Bucket=place, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(content)) as members:
        return {one.name: members.extractfile(one).read().decode() for one in members if one.isfile()}


def abalone(hosts, **more):
    """Return the scores of an XGBoost model that so many hosts have trained."""
    estimator = XGBoost(
        "abalone.py",
        source_dir="source_examples",
        framework_version="1.7-1",
        instance_count=hosts,
        hyperparameters={"max_depth": 3, "num_round": 6},
        **more,
        **common,
    )
    estimator.fit({"train": data})
    answer = ask(estimator, "\n".join(features), JSONDeserializer())
    return [one["score"] for one in answer["predictions"]]


def xgboost():
    scores = abalone(1, checkpoint_s3_uri=f"s3://{bucket}/examples-checkpoints")
    listed = boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix="examples-checkpoints/")
    return {"scores": scores, "checkpoints": sorted(one["Key"].rpartition("/")[2] for one in listed["Contents"])}


def two_hosts():
    return abalone(2)


def sklearn():
    estimator = SKLearn("featurizer.py", source_dir="source_examples", framework_version="1.2-1", instance_count=1, **common)
    estimator.fit({"train": data})
    return ask(estimator, "\n".join(features), CSVDeserializer())


def pytorch():
    estimator = PyTorch(
        entry_point="mnist.py", source_dir="source_examples", framework_version="2.3.0", py_version="py311", instance_count=1,
        hyperparameters={"epochs": 30}, **common,
    )  # fmt: skip
    estimator.fit()
    return estimator.model_data


def huggingface():
    estimator = HuggingFace(
        entry_point="sentiment.py", source_dir="source_examples", transformers_version="4.36.0", pytorch_version="2.1.0",
        py_version="py310", instance_count=1, **{**common, "instance_type": "ml.g5.xlarge"},
    )  # fmt: skip
    estimator.fit()
    model = sagemaker.huggingface.HuggingFaceModel(
        model_data=estimator.model_data, role=common["role"], transformers_version="4.37.0", pytorch_version="2.1.0",
        py_version="py310", env={"HF_TASK": "text-classification"}, sagemaker_session=session,
    )  # fmt: skip
    predictor = model.deploy(1, "ml.m5.large")
    answer = predictor.predict({"inputs": ["it is good", "it is bad"]})
    predictor.delete_endpoint()
    return [one["label"] for one in answer]


def own():
    estimator = Estimator(
        "journey-own",
        entry_point="fit.py",
        source_dir="source_own",
        instance_count=1,
        hyperparameters={"depth": 4},
        **common,
    )
    estimator.fit({"train": data})
    return files(estimator.model_data)


print("JOURNEY", json.dumps({name: globals()[name]() for name in sys.argv[1:]}))
