"""Training jobs before they start: arguments and data are read and checked, and nothing has been sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lowcloud.sdk import wording
from lowcloud.sdk.code import trainer
from lowcloud.sdk.code.trainer import Model, Requirements, Trainer
from lowcloud.sdk.connection import Cloud, check_instance_type, connect, make_name
from lowcloud.sdk.data import channels as channel_data
from lowcloud.sdk.data import columns, sources
from lowcloud.sdk.data.channels import Channel, Consumer, Data, Prepared, Source
from lowcloud.sdk.data.columns import Columns
from lowcloud.sdk.data.reading import Reading, to_reading
from lowcloud.sdk.data.sources import Size
from lowcloud.sdk.errors import InvalidInputError, RefusedError, translate_errors
from lowcloud.sdk.jobs import Job
from lowcloud.sdk.storage import FOLDER

INSTANCE_TYPE = "ml.m5.large"
MAX_SECONDS = 86_400
VOLUME_GIGABYTES = 30


@dataclass(frozen=True)
class JobOptions:
    """What train() can be told of a job, apart from its model and data."""

    name: str | None = None
    instance_type: str = INSTANCE_TYPE
    instances: int = 1
    image: str | None = None
    requirements: Requirements | None = None
    environment: Mapping[str, str] | None = None
    metrics: Mapping[str, str] | None = None
    max_seconds: int = MAX_SECONDS
    tags: Mapping[str, str] | None = None
    experiment: str | None = None


@dataclass(frozen=True)
class DataOptions:
    """What train() can be told of the data."""

    target: str | int | None = None
    validation: Source | float | None = None
    reading: Mapping[str, Any] | Reading | None = None
    raw: bool = False
    allow_large: bool = False


@dataclass(frozen=True)
class PlannedJob:
    """A training job that can start."""

    name: str
    notes: tuple[str, ...]  # what was seen and done, one sentence each
    _cloud: Cloud = field(repr=False)
    _trainer: Trainer = field(repr=False)
    _prepared: Prepared = field(repr=False)
    _hyperparameters: Mapping[str, str] = field(repr=False)
    _requirements: bytes = field(repr=False)
    _options: JobOptions = field(repr=False)

    def start(self) -> Job:
        """Send data and code, and create the job. Raises RefusedError, and InvalidInputError if its name is used."""
        channels = self._prepared.upload(self._cloud)
        image, code = trainer.upload(self._cloud, self._trainer, channels, self._options.image, self._requirements)
        request = {
            **self._request(),
            "AlgorithmSpecification": _algorithm(image, self._options.metrics or {}),
            "HyperParameters": {**self._hyperparameters, **code},
            "InputDataConfig": [_channel(channel) for channel in channels],
        }
        _create(self._cloud, request)
        return Job(self._cloud, self.name, request)

    def _request(self) -> dict[str, Any]:
        """Return the members of the request that do not depend on what is uploaded."""
        options, cloud = self._options, self._cloud
        experiment = {"ExperimentConfig": {"ExperimentName": options.experiment}} if options.experiment else {}
        return {
            "TrainingJobName": self.name,
            "RoleArn": cloud.role,
            "OutputDataConfig": {"S3OutputPath": f"s3://{cloud.bucket}/{FOLDER}/jobs"},
            "ResourceConfig": _resources(options.instance_type, options.instances),
            "StoppingCondition": {"MaxRuntimeInSeconds": options.max_seconds},
            "Environment": {**_columns_variable(cloud, self._prepared.columns), **(options.environment or {})},
            "Tags": [{"Key": key, "Value": value} for key, value in (options.tags or {}).items()],
            **experiment,
        }


def plan(
    model: Model,
    data: Data,
    parameters: Mapping[str, Any] | None,
    data_options: DataOptions,
    options: JobOptions,
    home: str | Path | None = None,
) -> PlannedJob:
    """Return the job that train() starts. Raises InvalidInputError and CloudUnreachableError."""
    chosen = trainer.read_model(model)
    trainer.check_parameters(parameters)
    given = parameters or {}
    trainer.check_names(chosen, given)
    requirements = trainer.read_requirements(chosen, options.requirements)
    name = make_name(options.name, chosen.name_prefix)
    check_instance_type(options.instance_type)
    cloud = connect(home)
    prepared = _prepare(cloud, chosen, data, given, data_options)
    hyperparameters = trainer.to_hyperparameters(chosen, {**prepared.parameters, **given})
    return PlannedJob(name, prepared.notes, cloud, chosen, prepared, hyperparameters, requirements, options)


def measure(model: Model, data: Data, validation: Source | float | None = None) -> Size:
    """Return how many files and bytes train() would send, at most: what is stored already is not sent again.

    Raises InvalidInputError for data that cannot be read.
    """
    chosen = trainer.read_model(model)
    code, channels = trainer.measure(chosen), channel_data.measure(data, validation, chosen.model_kind)
    return Size(code.files + channels.files, code.bytes + channels.bytes)


def _prepare(cloud: Cloud, chosen: Trainer, data: Data, parameters: Mapping[str, Any], given: DataOptions) -> Prepared:
    consumer = Consumer(chosen.model_kind, chosen.algorithm, parameters, chosen.allows_missing, given.raw)
    if not given.allow_large:
        sources.check_size(trainer.measure(chosen))
    reading = to_reading(given.reading)
    return channel_data.prepare(
        cloud, data, given.validation, given.target, consumer, reading, allow_large=given.allow_large
    )


def _create(cloud: Cloud, request: Mapping[str, Any]) -> None:
    name = request["TrainingJobName"]
    try:
        with translate_errors():
            cloud.sagemaker.create_training_job(**request)
    except RefusedError as refusal:
        if refusal.code != "ResourceInUse":
            raise
        found = wording.either(
            f"lowcloud.job({name!r}) returns it", f"`lowcloud describe {name}{cloud.home_option}` shows it"
        )
        raise InvalidInputError(f"There is already a job {name!r}; {found}.") from None


def _algorithm(image: str, metrics: Mapping[str, str]) -> dict[str, Any]:
    definitions = [{"Name": metric, "Regex": regex} for metric, regex in metrics.items()]
    return {"TrainingImage": image, "TrainingInputMode": "File", "MetricDefinitions": definitions}


def _resources(instance_type: str, instances: int) -> dict[str, Any]:
    return {"InstanceType": instance_type, "InstanceCount": instances, "VolumeSizeInGB": VOLUME_GIGABYTES}


def _columns_variable(cloud: Cloud, trained_on: Columns | None) -> dict[str, str]:
    """Return the environment variable with the URL of what the model is trained on."""
    return {columns.VARIABLE: columns.store(cloud, trained_on)} if trained_on else {}


def _channel(channel: Channel) -> dict[str, Any]:
    source = {"S3DataType": "S3Prefix", "S3Uri": channel.url, "S3DataDistributionType": "FullyReplicated"}
    content_type = {"ContentType": channel.content_type} if channel.content_type else {}
    return {"ChannelName": channel.name, "DataSource": {"S3DataSource": source}, **content_type}
