"""A run whose training job and processing job load it inside and log to it."""

import json
import sys

import sagemaker
from sagemaker import get_execution_role
from sagemaker.estimator import Estimator
from sagemaker.experiments import Run
from sagemaker.processing import Processor

# An entry point may have no line breaks and 256 characters.
SCRIPT = "; ".join([
    "from sagemaker.experiments import load_run as load",
    "run = load().__enter__()",
    "run.log_parameter('logged-by', 'NAME')",
    "run.log_metric('loss', 0.25, step=1)",
    "run.__exit__(None, None, None)",
])

session = sagemaker.Session()
image, name = sys.argv[1], "journey-of-jobs"
common = {"image_uri": image, "role": get_execution_role(), "instance_count": 1, "instance_type": "ml.m5.large"}
with Run(experiment_name=name, run_name="training", sagemaker_session=session) as run:
    command = ["python", "-c", SCRIPT.replace("NAME", "training")]
    Estimator(**common, sagemaker_session=session, container_entry_point=command).fit(logs=False)
with Run(experiment_name=name, run_name="processing", sagemaker_session=session) as run:
    command = ["python", "-c", SCRIPT.replace("NAME", "processing")]
    processor = Processor(**common, sagemaker_session=session, entrypoint=command)
    processor.run(logs=False, experiment_config=run.experiment_config)
client = session.sagemaker_client
found = {
    one: client.describe_trial_component(TrialComponentName=f"{name}-{one}") for one in ("training", "processing")
}
reported = {
    one: {
        "parameters": {key: value["StringValue"] for key, value in reported["Parameters"].items()},
        "metrics": {metric["MetricName"]: metric["Last"] for metric in reported["Metrics"]},
        "sources": [source["SourceType"] for source in reported["Sources"]],
    }
    for one, reported in found.items()
}
print("JOURNEY", json.dumps(reported))
