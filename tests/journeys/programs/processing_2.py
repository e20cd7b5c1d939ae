"""The processors of SDK 2.x: scripts on scikit-learn's image, with a folder of code, and the built-in programs."""

import json

import boto3
import sagemaker
from sagemaker import get_execution_role, image_uris
from sagemaker.processing import FrameworkProcessor, ProcessingInput, ProcessingOutput, Processor, ScriptProcessor
from sagemaker.sklearn import SKLearn
from sagemaker.sklearn.processing import SKLearnProcessor

session = sagemaker.Session()
bucket = session.default_bucket()
common = {"role": get_execution_role(), "instance_type": "ml.m5.large", "sagemaker_session": session}
s3 = boto3.client("s3")
base = "/opt/ml/processing"


def files(uri):
    """Return the texts below a prefix by name."""
    place, _, prefix = uri.removeprefix("s3://").partition("/")
    listed = s3.list_objects_v2(Bucket=place, Prefix=prefix).get("Contents", [])
    return {
        one["Key"].rpartition("/")[2]: s3.get_object(Bucket=place, Key=one["Key"])["Body"].read().decode()
        for one in listed
    }


def outputs(job):
    return {
        one["OutputName"]: files(one["S3Output"]["S3Uri"])
        for one in job.describe()["ProcessingOutputConfig"]["Outputs"]
    }


found = {}
lines = open("train.csv").readlines()
for number, part in enumerate((lines[:300], lines[300:])):
    s3.put_object(Bucket=bucket, Key=f"processing/part-{number}.csv", Body="".join(part))
raw = f"s3://{bucket}/processing"
two = SKLearnProcessor("1.2-1", instance_count=2, **common)
two.run(
    "source/prepare.py",
    inputs=[ProcessingInput(raw, f"{base}/input", s3_data_distribution_type="ShardedByS3Key")],
    outputs=[ProcessingOutput(f"{base}/{name}", output_name=name) for name in ("train", "test")],
    arguments=["--share", "0.8"],
)
found["sharded"] = {name: {file: text.count("\n") for file, text in one.items()} for name, one in outputs(two.latest_job).items()}

image = image_uris.retrieve("sklearn", "us-east-1", "1.2-1")
shell = ScriptProcessor(image_uri=image, command=["bash"], instance_count=1, **common)
open("count.sh", "w").write('set -e\ncat /opt/ml/processing/input/*.csv | wc -l > /opt/ml/processing/out/"$1"\n')
shell.run(
    "count.sh",
    inputs=[ProcessingInput(raw, f"{base}/input")],
    outputs=[ProcessingOutput(f"{base}/out", output_name="out")],
    arguments=["count.txt"],
    logs=False,
)
found["shell"] = outputs(shell.latest_job)["out"]

framework = FrameworkProcessor(SKLearn, "1.2-1", instance_count=1, **common)
framework.run(
    "packaged.py",
    source_dir="source_sklearn",
    outputs=[ProcessingOutput(f"{base}/out", output_name="out")],
    arguments=["--depth", "2"],
)
found["framework"] = outputs(framework.latest_job)["out"]

failing = SKLearnProcessor("1.2-1", instance_count=1, **common)
try:
    failing.run("source/fails.py", logs=False)
except sagemaker.exceptions.UnexpectedStatusException as error:
    found["failure"] = str(error)

header = ",".join(["target", *(f"f{number}" for number in range(10))])
s3.put_object(Bucket=bucket, Key="raw/train.csv", Body=header + "\n" + "".join(lines))
ready = Processor(image_uri="lowcloud/preprocess", instance_count=1, **common)
ready.run(
    inputs=[ProcessingInput(f"s3://{bucket}/raw", f"{base}/input")],
    outputs=[ProcessingOutput(f"{base}/output/{name}", output_name=name) for name in ("train", "test", "transform")],
    arguments=["--target", "target", "--seed", "7"],
    logs=False,
)
prepared = {one["OutputName"]: one["S3Output"]["S3Uri"] for one in ready.latest_job.describe()["ProcessingOutputConfig"]["Outputs"]}
found["prepared"] = {name: sorted(files(uri)) for name, uri in prepared.items()}
trained = sagemaker.estimator.Estimator(
    image_uris.retrieve("linear-learner", "us-east-1"),
    instance_count=1,
    hyperparameters={"predictor_type": "binary_classifier", "epochs": 4},
    **common,
)
csv = {"content_type": "text/csv"}
channels = {name: sagemaker.inputs.TrainingInput(prepared[name], **csv) for name in ("train", "transform")}
trained.fit(channels, logs=False)
judge = Processor(image_uri="lowcloud/evaluate", instance_count=1, **common)
judge.run(
    inputs=[
        ProcessingInput(f"s3://{bucket}/raw", f"{base}/input"),
        ProcessingInput(trained.model_data, f"{base}/model"),
    ],
    outputs=[ProcessingOutput(f"{base}/output/evaluation", output_name="evaluation")],
    logs=False,
)
evaluation = outputs(judge.latest_job)["evaluation"]
measured = json.loads(evaluation["evaluation.json"])
found["evaluation"] = [measured["dataset"]["item_count"], measured["binary_classification_metrics"]["accuracy"]["value"]]
found["pages"] = sorted(evaluation)
print("JOURNEY", json.dumps(found))
