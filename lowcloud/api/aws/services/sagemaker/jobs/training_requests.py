"""The request of CreateTrainingJob as the specification of a job."""

from collections.abc import Iterator, Mapping
from typing import Any

from lowcloud import contract
from lowcloud.api.aws.arns import parse_role
from lowcloud.api.aws.operations import Request
from lowcloud.api.aws.services.sagemaker.errors import invalid
from lowcloud.api.aws.services.sagemaker.translation import (
    INPUT_KINDS,
    INPUT_MODES,
    arn_of,
    local_folder,
    parse_s3_uri,
    read_grouping,
)
from lowcloud.core.context import Context
from lowcloud.core.jobs.jobs import Output, Specification
from lowcloud.core.jobs.training import TRAINING
from lowcloud.core.patterns import Expression, PatternError
from lowcloud.core.staging.channels import Channel
from lowcloud.core.telemetry.metrics import Definition

DEFAULT_MAX_RUNTIME_SECONDS = 86_400
DEFAULT_INSTANCE_TYPE = "ml.m5.xlarge"
TENSORBOARD_FOLDER = "/opt/ml/output/tensorboard"

# What Describe returns as it was requested; the other members have current values.
ECHOED_MEMBERS = (
    "AlgorithmSpecification",
    "CheckpointConfig",
    "DebugHookConfig",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "EnableNetworkIsolation",
    "Environment",
    "ExperimentConfig",
    "HyperParameters",
    "InfraCheckConfig",
    "InputDataConfig",
    "OutputDataConfig",
    "ProfilerConfig",
    "RemoteDebugConfig",
    "ResourceConfig",
    "RetryStrategy",
    "RoleArn",
    "StoppingCondition",
    "TensorBoardOutputConfig",
    "VpcConfig",
)


def read(context: Context, request: Request) -> Specification:
    """Return the specification of the requested job. Raises AwsError."""
    algorithm = request["AlgorithmSpecification"]
    if "TrainingImage" not in algorithm:
        raise invalid("AlgorithmSpecification.TrainingImage is required.")
    resources = request.get("ResourceConfig", {})
    limits = request.get("StoppingCondition", {})
    mode = algorithm["TrainingInputMode"]
    is_spot = request.get("EnableManagedSpotTraining", False)
    return Specification(
        image=algorithm["TrainingImage"],
        role=parse_role(request["RoleArn"]).name,
        channels=tuple(_channel(channel, mode) for channel in request.get("InputDataConfig", [])),
        outputs=tuple(_outputs(request)),
        checkpoints=_checkpoints(request),
        entrypoint=tuple(algorithm.get("ContainerEntrypoint", [])),
        arguments=tuple(algorithm.get("ContainerArguments", [])),
        instance_type=resources.get("InstanceType", DEFAULT_INSTANCE_TYPE),
        instance_count=resources.get("InstanceCount", 1),
        volume_gigabytes=resources.get("VolumeSizeInGB", 0),  # no limit
        keep_alive_seconds=resources.get("KeepAlivePeriodInSeconds", 0),
        max_runtime_seconds=limits.get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME_SECONDS),
        max_wait_seconds=_max_wait(limits, is_spot),
        max_pending_seconds=limits.get("MaxPendingTimeInSeconds"),
        is_interruptible=is_spot,
        retries=request.get("RetryStrategy", {}).get("MaximumRetryAttempts", 0),
        hyperparameters=dict(request.get("HyperParameters", {})),
        variables=dict(request.get("Environment", {})),
        grouping=read_grouping(request),
        metric_definitions=tuple(_metric(metric) for metric in algorithm.get("MetricDefinitions", [])),
        is_network_isolated=request.get("EnableNetworkIsolation", False),
        description={
            "arn": arn_of(context, TRAINING, request["TrainingJobName"]),
            "request": {member: request[member] for member in ECHOED_MEMBERS if member in request},
        },
    )


def _max_wait(limits: Mapping[str, int], is_spot: bool) -> int | None:
    wait = limits.get("MaxWaitTimeInSeconds")
    if not is_spot:
        if wait is not None:
            raise invalid("MaxWaitTimeInSeconds can only be used with EnableManagedSpotTraining.")
        return None
    if wait is None or wait < limits.get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME_SECONDS):
        raise invalid(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds"
        )
    return wait


def _channel(channel: Mapping[str, Any], default_mode: str) -> Channel:
    source = channel["DataSource"].get("S3DataSource")
    if source is None:
        raise invalid(f"Channel {channel['ChannelName']!r} needs an S3DataSource.")
    bucket, prefix = parse_s3_uri(source["S3Uri"])
    return Channel(
        name=channel["ChannelName"],
        bucket=bucket,
        prefix=prefix,
        content_type=channel.get("ContentType"),
        is_gzip=channel.get("CompressionType") == "Gzip",
        is_sharded=source.get("S3DataDistributionType") == "ShardedByS3Key",
        kind=INPUT_KINDS[source["S3DataType"]],
        mode=INPUT_MODES[channel.get("InputMode", default_mode)],
        attributes=tuple(source.get("AttributeNames", ())),
        seed=channel["ShuffleConfig"]["Seed"] if "ShuffleConfig" in channel else None,
        is_wrapped=channel.get("RecordWrapperType") == "RecordIO",
    )


def _outputs(request: Request) -> Iterator[Output]:
    """Yield the model first: it is the job's artifact."""
    output = request["OutputDataConfig"]
    bucket, prefix = parse_s3_uri(output["S3OutputPath"])
    output_prefix = _join(prefix, request["TrainingJobName"], "output")
    is_archive = output.get("CompressionType", "GZIP") == "GZIP"
    for name, folder, is_optional in (("model", contract.MODEL, False), ("output", contract.OUTPUT_DATA, True)):
        file = f"{name}.tar.gz" if is_archive else "model" if name == "model" else "data"
        yield Output(name, folder, bucket, f"{output_prefix}/{file}", is_archive, is_optional=is_optional)
    if configuration := request.get("TensorBoardOutputConfig"):
        bucket, prefix = parse_s3_uri(configuration["S3OutputPath"])
        folder = local_folder(configuration.get("LocalPath", TENSORBOARD_FOLDER))
        logs_prefix = _join(prefix, request["TrainingJobName"], "tensorboard-output")
        yield Output("tensorboard", folder, bucket, logs_prefix, is_continuous=True)


def _join(prefix: str, *parts: str) -> str:
    return "/".join(part for part in (prefix.strip("/"), *parts) if part)


def _checkpoints(request: Request) -> Output | None:
    configuration = request.get("CheckpointConfig")
    if configuration is None:
        return None
    bucket, prefix = parse_s3_uri(configuration["S3Uri"])
    folder = local_folder(configuration.get("LocalPath", f"{contract.DEFAULT_BASE_DIR}/{contract.CHECKPOINTS}"))
    return Output("checkpoints", folder, bucket, prefix, is_continuous=True)


def _metric(metric: Mapping[str, str]) -> Definition:
    try:
        groups = Expression(metric["Regex"]).groups
    except PatternError as error:
        raise invalid(f"The Regex of metric {metric['Name']!r} is invalid: {error}") from error
    if groups < 1:
        raise invalid(f"The Regex of metric {metric['Name']!r} needs a group that captures the value.")
    return Definition(metric["Name"], metric["Regex"])
