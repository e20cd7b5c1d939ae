"""Training jobs in SageMaker's words."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any

from lowcloud.aws.arns import of_sagemaker
from lowcloud.aws.errors import AwsError
from lowcloud.aws.operations import Answer, Request, operation
from lowcloud.aws.sagemaker.translation import (
    invalid,
    list_answer,
    parse_s3_uri,
    read_list,
    read_tags,
    require_role,
    time,
)
from lowcloud.core import events, training
from lowcloud.core.access import Caller
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import AlreadyExists, Invalid, NotFound
from lowcloud.core.metrics import Definition, Point
from lowcloud.core.training import Channel, Specification, State, TrainingJob
from lowcloud.store.tables import training_jobs

# SDKs look at a new job once and then sleep 10 to 30 s, so a look at a job this young waits for its end.
PATIENCE_SECONDS = 10.0
POLL_SECONDS = 0.02
DEFAULT_MAX_RUNTIME_SECONDS = 86_400

STATUS = {
    State.PENDING: "InProgress",
    State.STAGING: "InProgress",
    State.RUNNING: "InProgress",
    State.STOPPING: "Stopping",
    State.STORING: "InProgress",
    State.COMPLETED: "Completed",
    State.FAILED: "Failed",
    State.STOPPED: "Stopped",
}
SECONDARY_STATUS = {
    State.PENDING: "Starting",
    State.STAGING: "Downloading",
    State.RUNNING: "Training",
    State.STOPPING: "Stopping",
    State.STORING: "Uploading",
    State.COMPLETED: "Completed",
    State.FAILED: "Failed",
    State.STOPPED: "Stopped",
}


@operation(
    "sagemaker",
    "CreateTrainingJob",
    refused=(
        "AlgorithmSpecification.AlgorithmName",
        "AlgorithmSpecification.ContainerArguments",
        "AlgorithmSpecification.ContainerEntrypoint",
        "AlgorithmSpecification.TrainingImageConfig",
        "AlgorithmSpecification.TrainingInputMode=FastFile",
        "AlgorithmSpecification.TrainingInputMode=Pipe",
        "CheckpointConfig",
        "DebugRuleConfigurations",
        "EnableManagedSpotTraining",
        "ExperimentConfig",
        "InfraCheckConfig",
        "InputDataConfig.DataSource.DatasetSource",
        "InputDataConfig.DataSource.FileSystemDataSource",
        "InputDataConfig.DataSource.S3DataSource.AttributeNames",
        "InputDataConfig.DataSource.S3DataSource.HubAccessConfig",
        "InputDataConfig.DataSource.S3DataSource.InstanceGroupNames",
        "InputDataConfig.DataSource.S3DataSource.ModelAccessConfig",
        "InputDataConfig.DataSource.S3DataSource.S3DataType=AugmentedManifestFile",
        "InputDataConfig.DataSource.S3DataSource.S3DataType=Converse",
        "InputDataConfig.InputMode=FastFile",
        "InputDataConfig.InputMode=Pipe",
        "InputDataConfig.RecordWrapperType=RecordIO",
        "InputDataConfig.ShuffleConfig",
        "MlflowConfig",
        "ModelPackageConfig",
        "OutputDataConfig.CompressionType=NONE",
        "ProfilerRuleConfigurations",
        "RemoteDebugConfig",
        "ResourceConfig.InstanceGroups",
        "ResourceConfig.InstancePlacementConfig",
        "ResourceConfig.InstancePreferences",
        "ResourceConfig.KeepAlivePeriodInSeconds",
        "ResourceConfig.SelectedInstanceCount",
        "ResourceConfig.SelectedInstanceType",
        "ResourceConfig.TrainingPlanArn",
        "RetryStrategy",
        "ServerlessJobConfig",
        "SessionChainingConfig",
        "StoppingCondition.MaxPendingTimeInSeconds",
        "StoppingCondition.MaxWaitTimeInSeconds",
        "TensorBoardOutputConfig",
        "VpcConfig",
    ),
    ignored=(
        "AlgorithmSpecification.EnableSageMakerMetricsTimeSeries",
        "DebugHookConfig",
        "EnableInterContainerTrafficEncryption",
        "OutputDataConfig.KmsKeyId",
        "ProfilerConfig",
        "ResourceConfig.VolumeKmsKeyId",
    ),
)
def create_training_job(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """The job starts at once where a processor is free."""
    name = request["TrainingJobName"]
    require_role(cloud, request["RoleArn"])
    try:
        training.create(cloud, name, _specification(request), read_tags(request))
    except AlreadyExists as error:
        taken = (
            "Job name must be unique within an AWS account and region, and a training job with this name already "
            f"exists ({_arn(cloud, name)})"
        )
        raise AwsError("ResourceInUse", taken) from error
    except Invalid as error:
        raise invalid(str(error)) from error
    return {"TrainingJobArn": _arn(cloud, name)}


@operation("sagemaker", "DescribeTrainingJob")
async def describe_training_job(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """The job as it stands; a job younger than PATIENCE_SECONDS is waited for."""
    job = await asyncio.to_thread(_find, cloud, request["TrainingJobName"])
    while not job.state.is_end and (age := cloud.now() - job.created_at) < PATIENCE_SECONDS:
        await asyncio.sleep(POLL_SECONDS + age / 20)
        job = await asyncio.to_thread(_find, cloud, job.name)
    return await asyncio.to_thread(_describe, cloud, job)


@operation("sagemaker", "ListTrainingJobs", refused=("TrainingPlanArnEquals",))
def list_training_jobs(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Newest first unless asked otherwise."""
    columns = {"CreationTime": "created_at", "Name": "name", "Status": "state"}
    where = []
    if status := request.get("StatusEquals"):
        where.append(training_jobs.c.state.in_([state for state, shown in STATUS.items() if shown == status]))
    if request.get("WarmPoolStatusEquals"):
        raise invalid("WarmPoolStatusEquals is not supported by Lowcloud yet.")
    page = read_list(cloud, request, training_jobs, columns, where)
    jobs = [training.from_row(row) for row in page.rows]
    return list_answer("TrainingJobSummaries", [_summary(cloud, job) for job in jobs], page)


@operation("sagemaker", "StopTrainingJob")
def stop_training_job(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """The job's program gets SIGTERM and 120 seconds; what it saved until then is stored."""
    try:
        training.stop(cloud, request["TrainingJobName"])
    except NotFound as error:
        raise _not_found() from error
    except Invalid as error:
        raise invalid(str(error)) from error
    return {}


def _specification(request: Request) -> Specification:
    algorithm = request["AlgorithmSpecification"]
    if "TrainingImage" not in algorithm:
        raise invalid("AlgorithmSpecification.TrainingImage is required.")
    resources = request.get("ResourceConfig", {})
    limits = request.get("StoppingCondition", {})
    output = request["OutputDataConfig"]
    bucket, prefix = parse_s3_uri(output["S3OutputPath"])
    return Specification(
        image=algorithm["TrainingImage"],
        role=request["RoleArn"],
        channels=tuple(_channel(channel) for channel in request.get("InputDataConfig", [])),
        output_bucket=bucket,
        output_prefix=prefix,
        instance_type=resources.get("InstanceType", "ml.m5.xlarge"),
        instance_count=resources.get("InstanceCount", 1),
        volume_gigabytes=resources.get("VolumeSizeInGB", 1),
        max_runtime_seconds=limits.get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME_SECONDS),
        hyperparameters=dict(request.get("HyperParameters", {})),
        environment=dict(request.get("Environment", {})),
        metric_definitions=tuple(_metric(metric) for metric in algorithm.get("MetricDefinitions", [])),
        encryption_key=output.get("KmsKeyId", ""),
        is_network_isolated=request.get("EnableNetworkIsolation", False),
    )


def _channel(channel: Mapping[str, Any]) -> Channel:
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
        is_manifest=source["S3DataType"] == "ManifestFile",
    )


def _metric(metric: Mapping[str, str]) -> Definition:
    try:
        groups = re.compile(metric["Regex"]).groups
    except re.error as error:
        raise invalid(f"The Regex of metric {metric['Name']!r} cannot be read: {error}") from error
    if groups < 1:
        raise invalid(f"The Regex of metric {metric['Name']!r} needs a group that captures the value.")
    return Definition(metric["Name"], metric["Regex"])


def _find(cloud: Cloud, name: str) -> TrainingJob:
    try:
        return training.find(cloud, name)
    except NotFound as error:
        raise _not_found() from error


def _not_found() -> AwsError:
    return invalid("Requested resource not found.")


def _arn(cloud: Cloud, name: str) -> str:
    return of_sagemaker(cloud, training.subject(name))


def _summary(cloud: Cloud, job: TrainingJob) -> dict[str, Any]:
    return {
        "TrainingJobName": job.name,
        "TrainingJobArn": _arn(cloud, job.name),
        "CreationTime": time(job.created_at),
        "LastModifiedTime": time(job.modified_at),
        "TrainingJobStatus": STATUS[job.state],
        "SecondaryStatus": _secondary_status(job.state, job),
        **({"TrainingEndTime": time(job.ended_at)} if job.ended_at else {}),
    }


def _describe(cloud: Cloud, job: TrainingJob) -> dict[str, Any]:
    return describe(cloud, job, training.history(cloud, job.name), training.final_metrics(cloud, job.name))


def describe(
    cloud: Cloud, job: TrainingJob, history: Sequence[events.Event], final: Mapping[str, Point]
) -> dict[str, Any]:
    """A job as Describe and Search tell it."""
    asked, progress = job.specification, job.progress
    optional = {
        "FailureReason": progress.failure if job.state == State.FAILED else None,
        "ModelArtifacts": {"S3ModelArtifacts": progress.artifact} if progress.artifact else None,
        "TrainingStartTime": time(progress.started_at) if progress.started_at else None,
        "TrainingEndTime": time(job.ended_at) if job.ended_at else None,
        "BillableTimeInSeconds": progress.billable_seconds,
        "TrainingTimeInSeconds": progress.billable_seconds,
        "Environment": dict(asked.environment) or None,
        "FinalMetricDataList": _final_metrics(final) or None,
    }
    return {
        **_summary(cloud, job),
        "HyperParameters": dict(asked.hyperparameters),
        "AlgorithmSpecification": _algorithm(asked),
        "RoleArn": asked.role,
        "InputDataConfig": [_describe_channel(channel) for channel in asked.channels],
        "OutputDataConfig": {
            "KmsKeyId": asked.encryption_key,
            "S3OutputPath": f"s3://{asked.output_bucket}/{asked.output_prefix}",
            "CompressionType": "GZIP",
        },
        "ResourceConfig": {
            "InstanceType": asked.instance_type,
            "InstanceCount": asked.instance_count,
            "VolumeSizeInGB": asked.volume_gigabytes,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": asked.max_runtime_seconds},
        "SecondaryStatusTransitions": _transitions(job, history),
        "EnableNetworkIsolation": asked.is_network_isolated,
        "EnableInterContainerTrafficEncryption": False,
        "EnableManagedSpotTraining": False,
        **{member: value for member, value in optional.items() if value is not None},
    }


def _algorithm(asked: Specification) -> dict[str, Any]:
    definitions = [{"Name": metric.name, "Regex": metric.expression} for metric in asked.metric_definitions]
    return {
        "TrainingImage": asked.image,
        "TrainingInputMode": "File",
        "EnableSageMakerMetricsTimeSeries": False,
        **({"MetricDefinitions": definitions} if definitions else {}),
    }


def _describe_channel(channel: Channel) -> dict[str, Any]:
    source = {
        "S3DataType": "ManifestFile" if channel.is_manifest else "S3Prefix",
        "S3Uri": f"s3://{channel.bucket}/{channel.prefix}",
        "S3DataDistributionType": "ShardedByS3Key" if channel.is_sharded else "FullyReplicated",
    }
    return {
        "ChannelName": channel.name,
        "DataSource": {"S3DataSource": source},
        "CompressionType": "Gzip" if channel.is_gzip else "None",
        "RecordWrapperType": "None",
        **({"ContentType": channel.content_type} if channel.content_type else {}),
    }


def _transitions(job: TrainingJob, history: Sequence[events.Event]) -> list[dict[str, Any]]:
    ends = [event.at for event in history[1:]] + [job.ended_at]
    return [
        {
            "Status": _secondary_status(State(event.state), job),
            "StartTime": time(event.at),
            **({"EndTime": time(end)} if end else {}),
            "StatusMessage": event.message,
        }
        for event, end in zip(history, ends, strict=True)
    ]


def _secondary_status(state: State, job: TrainingJob) -> str:
    if state == State.STOPPED and job.progress.is_out_of_time:
        return "MaxRuntimeExceeded"
    return SECONDARY_STATUS[state]


def _final_metrics(final: Mapping[str, Point]) -> list[dict[str, Any]]:
    return [
        {"MetricName": name, "Value": point.value, "Timestamp": time(point.at)} for name, point in sorted(final.items())
    ]
