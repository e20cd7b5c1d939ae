"""train(model, data, parameters): a training job from what people have at hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lowcloud.sdk import algorithm, columns
from lowcloud.sdk import data as channel_data
from lowcloud.sdk.algorithm import Model, Requirements
from lowcloud.sdk.cloud import Cloud, check_instance_type, connect, name_of
from lowcloud.sdk.data import Channel, Data, Source
from lowcloud.sdk.errors import InvalidInputError, RefusedError, asking
from lowcloud.sdk.jobs import Job
from lowcloud.sdk.storage import FOLDER

INSTANCE_TYPE = "ml.m5.large"
MAX_SECONDS = 86_400
VOLUME_GIGABYTES = 30


def train(
    model: Model,
    data: Data,
    parameters: Mapping[str, Any] | None = None,
    *,
    target: str | int | None = None,
    validation: Source | float | None = None,
    name: str | None = None,
    wait: bool = True,
    quiet: bool = False,
    instance_type: str = INSTANCE_TYPE,
    instances: int = 1,
    image: str | None = None,
    requirements: Requirements | None = None,
    environment: Mapping[str, str] | None = None,
    metrics: Mapping[str, str] | None = None,
    max_seconds: int = MAX_SECONDS,
    tags: Mapping[str, str] | None = None,
    experiment: str | None = None,
    home: str | Path | None = None,
) -> Job:
    """T(model, data, parameters): train a model on data with parameters, and give the job that does.

    Args:
        model: A built-in's name ("linear-learner", "xgboost"); a script or a folder with train.py, which gets the
            parameters as arguments and the data below $SM_CHANNEL_TRAIN; or a function (data, parameters) that returns
            a model, which runs in the job with this program's own Python.
        data: A DataFrame (pandas or polars), a numpy array, a file, a folder, an s3:// URL, or a mapping of channel
            names to these. A built-in reads rows of numbers; an array's first column is the label.
        parameters: The hyperparameters by name.
        target: For built-ins: the column that is the label, by its name or its number.
        validation: Data of the channel "validation", or the fraction of the rows to hold back for it.
        name: Of the job; one is made up where none is given.
        wait: Whether to show the progress until the job is over; else the job is given at once.
        quiet: Whether to wait without a word.
        instance_type, instances: What the job runs on, such as "ml.m5.xlarge", and how many of it.
        image: What runs a script or a function instead of this program's own Python: an image the cloud knows.
        requirements: For scripts and functions: a requirements file or its lines, to be installed above the cloud's
            own Python, which then runs the job.
        environment: Variables for the job.
        metrics: For scripts and functions: names of metrics, and expressions whose first group finds the value in a
            line that is printed.
        max_seconds: How long the job may run.
        tags: Tags of the job.
        experiment: The experiment that the job belongs to; it must exist.
        home: The home of the cloud; else that of the environment, which is started where it does not run.

    Raises:
        InvalidInputError: Something given cannot be used; nothing was started.
        CloudUnreachable: No cloud answers, and none could be started.
        Refused: The cloud refused the job.
        JobFailed: The job was waited for, and failed.
    """
    chosen = algorithm.read(model)
    given = algorithm.hyperparameters(chosen, parameters or {})
    installed = algorithm.read_requirements(chosen, requirements)
    job_name = name_of(name, chosen.stem)
    check_instance_type(instance_type)
    cloud = connect(home)
    channels = channel_data.channels(cloud, data, validation, target, chosen.style, takes_missing=chosen.takes_missing)
    runs, source = algorithm.place(cloud, chosen, channels, image, installed)
    request: dict[str, Any] = {
        "TrainingJobName": job_name,
        "AlgorithmSpecification": _algorithm(runs, metrics or {}),
        "RoleArn": cloud.role,
        "HyperParameters": {**given, **source},
        "InputDataConfig": [_channel(channel) for channel in channels],
        "OutputDataConfig": {"S3OutputPath": f"s3://{cloud.bucket}/{FOLDER}/jobs"},
        "ResourceConfig": _resources(instance_type, instances),
        "StoppingCondition": {"MaxRuntimeInSeconds": max_seconds},
        "Environment": {**_columns(cloud, channels), **(environment or {})},
        "Tags": [{"Key": key, "Value": value} for key, value in (tags or {}).items()],
        **({"ExperimentConfig": {"ExperimentName": experiment}} if experiment else {}),
    }
    started = _start(cloud, request)
    return started.wait(quiet=quiet) if wait else started


def _start(cloud: Cloud, request: Mapping[str, Any]) -> Job:
    name = request["TrainingJobName"]
    try:
        with asking():
            cloud.sagemaker.create_training_job(**request)
    except RefusedError as refusal:
        if refusal.code != "ResourceInUse":
            raise
        raise InvalidInputError(f"There is a job {name!r} already; lowcloud.job({name!r}) is it.") from None
    return Job(cloud, name, request)


def _algorithm(image: str, metrics: Mapping[str, str]) -> dict[str, Any]:
    definitions = [{"Name": metric, "Regex": regex} for metric, regex in metrics.items()]
    return {"TrainingImage": image, "TrainingInputMode": "File", "MetricDefinitions": definitions}


def _resources(instance_type: str, instances: int) -> dict[str, Any]:
    return {"InstanceType": instance_type, "InstanceCount": instances, "VolumeSizeInGB": VOLUME_GIGABYTES}


def _columns(cloud: Cloud, channels: Sequence[Channel]) -> dict[str, str]:
    """The variable that says where the names of the columns are; a transform makes others of raw ones."""
    of = {channel.name: channel.columns for channel in channels}
    if "transform" in of:
        return {columns.VARIABLE: columns.RAW_PLACE}
    trained = of.get("train")
    return {columns.VARIABLE: columns.keep(cloud, trained)} if trained else {}


def _channel(channel: Channel) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": channel.url, "S3DataDistributionType": "FullyReplicated"}
    content_type = {"ContentType": channel.content_type} if channel.content_type else {}
    return {"ChannelName": channel.name, "DataSource": {"S3DataSource": source}, **content_type}
