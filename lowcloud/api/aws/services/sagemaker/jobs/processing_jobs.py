"""Operations on processing jobs."""

from collections.abc import Iterator, Mapping
from typing import Any

from lowcloud.api.aws.access.permissions import creates, on, on_any, passes_role
from lowcloud.api.aws.arns import parse_role
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.errors import invalid
from lowcloud.api.aws.services.sagemaker.jobs import jobs as operations
from lowcloud.api.aws.services.sagemaker.lists import list_answer
from lowcloud.api.aws.services.sagemaker.translation import (
    INPUT_KINDS,
    INPUT_MODES,
    SERVICE_PRINCIPAL,
    arn_of,
    local_folder,
    parse_s3_uri,
    read_grouping,
    require_role,
    time,
    times,
)
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.jobs.jobs import Job, Output, Specification, State
from lowcloud.core.jobs.processing import PROCESSING
from lowcloud.core.staging.channels import Channel

DEFAULT_MAX_RUNTIME_SECONDS = 86_400

ECHOED_MEMBERS = (
    "AppSpecification",
    "Environment",
    "ExperimentConfig",
    "NetworkConfig",
    "ProcessingInputs",
    "ProcessingJobName",
    "ProcessingOutputConfig",
    "ProcessingResources",
    "RoleArn",
    "StoppingCondition",
)


@operation(
    "sagemaker",
    "CreateProcessingJob",
    creates("processing-job/{ProcessingJobName}", passes_role("RoleArn", SERVICE_PRINCIPAL)),
    refused=(
        "ProcessingInputs.DatasetDefinition",
        "ProcessingOutputConfig.Outputs.FeatureStoreOutput",
        "ProcessingResources.ClusterConfig.InstancePreferences",
        "ProcessingResources.ClusterConfig.SelectedInstanceCount",
        "ProcessingResources.ClusterConfig.SelectedInstanceType",
    ),
    ignored=(
        "NetworkConfig.EnableInterContainerTrafficEncryption",
        "NetworkConfig.VpcConfig",
        "ProcessingInputs.AppManaged",
        "ProcessingOutputConfig.KmsKeyId",
        "ProcessingOutputConfig.Outputs.AppManaged",
        "ProcessingResources.ClusterConfig.VolumeKmsKeyId",
    ),
)
def create_processing_job(context: Context, _caller: Caller, request: Request) -> Answer:
    """The job starts when there is capacity for it."""
    name = request["ProcessingJobName"]
    require_role(context, request["RoleArn"], PROCESSING.subject(name))
    return {"ProcessingJobArn": operations.create(context, PROCESSING, name, _specification(context, request), request)}


@operation("sagemaker", "DescribeProcessingJob", on("processing-job/{ProcessingJobName}"))
async def describe_processing_job(context: Context, caller: Caller, request: Request) -> Answer:
    """Waits for a young job to end."""
    return _describe(context, await operations.wait_for(context, caller, PROCESSING, request["ProcessingJobName"]))


@operation("sagemaker", "ListProcessingJobs", on_any())
def list_processing_jobs(context: Context, _caller: Caller, request: Request) -> Answer:
    """Newest first by default."""
    states = operations.states_of(request)
    return list_answer(context, request, "ProcessingJobSummaries", PROCESSING, _summarize, state=states)


@operation("sagemaker", "StopProcessingJob", on("processing-job/{ProcessingJobName}"))
def stop_processing_job(context: Context, _caller: Caller, request: Request) -> Answer:
    """The job's program gets SIGTERM and 120 seconds."""
    operations.stop(context, PROCESSING, request["ProcessingJobName"])
    return {}


def _specification(context: Context, request: Request) -> Specification:
    application, cluster = request["AppSpecification"], request["ProcessingResources"]["ClusterConfig"]
    for member in ("InstanceType", "InstanceCount"):  # the model has alternatives to them, which are refused
        if member not in cluster:
            raise invalid(f"{member} of ClusterConfig is required.")
    limits = request.get("StoppingCondition", {})
    outputs = request.get("ProcessingOutputConfig", {}).get("Outputs", [])
    return Specification(
        image=application["ImageUri"],
        role=parse_role(request["RoleArn"]).name,
        channels=tuple(_channels(request.get("ProcessingInputs", []))),
        outputs=tuple(_output(output) for output in outputs),
        entrypoint=tuple(application.get("ContainerEntrypoint", [])),
        arguments=tuple(application.get("ContainerArguments", [])),
        instance_type=cluster["InstanceType"],
        instance_count=cluster["InstanceCount"],
        volume_gigabytes=cluster["VolumeSizeInGB"],
        max_runtime_seconds=limits.get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME_SECONDS),
        variables=dict(request.get("Environment", {})),
        grouping=read_grouping(request),
        is_network_isolated=request.get("NetworkConfig", {}).get("EnableNetworkIsolation", False),
        description={
            "request": {
                # The program reads its ARN.
                "ProcessingJobArn": arn_of(context, PROCESSING, request["ProcessingJobName"]),
                **{member: request[member] for member in ECHOED_MEMBERS if member in request},
            },
        },
    )


def _channels(inputs: list[Mapping[str, Any]]) -> Iterator[Channel]:
    for one in inputs:
        source = one.get("S3Input")
        if source is None:
            raise invalid(f"The input {one['InputName']!r} needs an S3Input.")
        bucket, prefix = parse_s3_uri(source["S3Uri"])
        yield Channel(
            name=one["InputName"],
            bucket=bucket,
            prefix=prefix,
            is_sharded=source.get("S3DataDistributionType") == "ShardedByS3Key",
            kind=INPUT_KINDS[source["S3DataType"]],
            mode=INPUT_MODES[source.get("S3InputMode", "File")],
            is_gzip=source.get("S3CompressionType") == "Gzip",
            path=local_folder(source["LocalPath"]),
        )


def _output(output: Mapping[str, Any]) -> Output:
    target = output.get("S3Output")
    if target is None:
        raise invalid(f"The output {output['OutputName']!r} needs an S3Output.")
    bucket, prefix = parse_s3_uri(target["S3Uri"])
    is_continuous = target["S3UploadMode"] == "Continuous"
    folder = local_folder(target["LocalPath"])
    return Output(output["OutputName"], folder, bucket, prefix, is_continuous=is_continuous)


def _summarize(context: Context, job: Job) -> dict[str, Any]:
    optional = {
        "ProcessingEndTime": time(job.ended_at) if job.ended_at else None,
        "FailureReason": job.progress.failure if job.state == State.FAILED else None,
        "ExitMessage": job.progress.exit_message,
    }
    return {
        "ProcessingJobName": job.name,
        "ProcessingJobArn": arn_of(context, PROCESSING, job.name),
        **times(job),
        "ProcessingJobStatus": operations.STATUS[job.state],
        **{member: value for member, value in optional.items() if value is not None},
    }


def _describe(context: Context, job: Job) -> dict[str, Any]:
    started_at = job.progress.started_at
    return {
        "StoppingCondition": {"MaxRuntimeInSeconds": job.specification.max_runtime_seconds},
        **job.specification.description["request"],
        **_summarize(context, job),
        **({"ProcessingStartTime": time(started_at)} if started_at else {}),
    }
