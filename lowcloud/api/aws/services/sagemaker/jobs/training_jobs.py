"""Operations on training jobs."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from lowcloud.api.aws.access.permissions import creates, on, on_any, passes_role
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.jobs import jobs as operations
from lowcloud.api.aws.services.sagemaker.jobs import training_requests
from lowcloud.api.aws.services.sagemaker.lists import list_answer
from lowcloud.api.aws.services.sagemaker.translation import SERVICE_PRINCIPAL, arn_of, require_role, time, times
from lowcloud.core import events
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.jobs import jobs, logs, training
from lowcloud.core.jobs.jobs import Job, Limit, State
from lowcloud.core.jobs.training import TRAINING
from lowcloud.core.scheduling import warm_pools
from lowcloud.core.telemetry.metrics import Point

ALGORITHM_DEFAULTS = {"TrainingInputMode": "File", "EnableSageMakerMetricsTimeSeries": False}
OUTPUT_DEFAULTS = {"KmsKeyId": "", "CompressionType": "GZIP"}

SECONDARY_STATUS = {
    State.PENDING: "Starting",
    State.PREPARING: "PreparingTrainingStack",
    State.RESTARTING: "Interrupted",
    State.STAGING: "Downloading",
    State.RUNNING: "Training",
    State.STOPPING: "Stopping",
    State.STORING: "Uploading",
    State.COMPLETED: "Completed",
    State.FAILED: "Failed",
    State.STOPPED: "Stopped",
}

POOL_STATUS = {
    "Available": warm_pools.Status.AVAILABLE,
    "InUse": warm_pools.Status.IN_USE,
    "Reused": warm_pools.Status.REUSED,
    "Terminated": warm_pools.Status.TERMINATED,
}
LIMIT_STATUS = {
    Limit.RUNTIME: "MaxRuntimeExceeded",
    Limit.WAIT: "MaxWaitTimeExceeded",
    Limit.PENDING: "MaxWaitTimeExceeded",
}


@operation(
    "sagemaker",
    "CreateTrainingJob",
    creates("training-job/{TrainingJobName}", passes_role("RoleArn", SERVICE_PRINCIPAL)),
    refused=(
        "AlgorithmSpecification.AlgorithmName",
        "DebugRuleConfigurations",
        "InputDataConfig.DataSource.DatasetSource",
        "InputDataConfig.DataSource.FileSystemDataSource",
        "InputDataConfig.DataSource.S3DataSource.HubAccessConfig",
        "InputDataConfig.DataSource.S3DataSource.InstanceGroupNames",
        "InputDataConfig.DataSource.S3DataSource.ModelAccessConfig",
        "InputDataConfig.DataSource.S3DataSource.S3DataType=Converse",
        "MlflowConfig",
        "ModelPackageConfig",
        "ProfilerRuleConfigurations",
        "ResourceConfig.InstanceGroups",
        "ResourceConfig.InstancePlacementConfig",
        "ResourceConfig.InstancePreferences",
        "ResourceConfig.SelectedInstanceCount",
        "ResourceConfig.SelectedInstanceType",
        "ResourceConfig.TrainingPlanArn",
        "ServerlessJobConfig",
    ),
    ignored=(
        "AlgorithmSpecification.EnableSageMakerMetricsTimeSeries",
        "AlgorithmSpecification.TrainingImageConfig",
        "DebugHookConfig",
        "EnableInterContainerTrafficEncryption",
        "InfraCheckConfig",
        "OutputDataConfig.KmsKeyId",
        "ProfilerConfig",
        "RemoteDebugConfig",
        "ResourceConfig.VolumeKmsKeyId",
        "SessionChainingConfig",
        "VpcConfig",
    ),
)
def create_training_job(context: Context, _caller: Caller, request: Request) -> Answer:
    """The job starts when there is capacity for it."""
    name = request["TrainingJobName"]
    require_role(context, request["RoleArn"], TRAINING.subject(name))
    specification = training_requests.read(context, request)
    return {"TrainingJobArn": operations.create(context, TRAINING, name, specification, request)}


@operation("sagemaker", "DescribeTrainingJob", on("training-job/{TrainingJobName}"))
async def describe_training_job(context: Context, caller: Caller, request: Request) -> Answer:
    """Waits for a young job to end."""
    job = await operations.wait_for(context, caller, TRAINING, request["TrainingJobName"])
    return await asyncio.to_thread(_describe, context, job)


@operation("sagemaker", "ListTrainingJobs", on_any(), refused=("TrainingPlanArnEquals",))
def list_training_jobs(context: Context, _caller: Caller, request: Request) -> Answer:
    """Newest first by default."""
    status = request.get("WarmPoolStatusEquals")
    where = [training.has_pool(POOL_STATUS[status], context.now())] if status else []
    states = operations.states_of(request)
    return list_answer(context, request, "TrainingJobSummaries", TRAINING, _summarize_with_pool, where, state=states)


@operation("sagemaker", "StopTrainingJob", on("training-job/{TrainingJobName}"))
def stop_training_job(context: Context, _caller: Caller, request: Request) -> Answer:
    """The job's program gets SIGTERM and 120 seconds; what it has saved by then is stored."""
    operations.stop(context, TRAINING, request["TrainingJobName"])
    return {}


@operation(
    "sagemaker",
    "UpdateTrainingJob",
    on("training-job/{TrainingJobName}"),
    ignored=("ProfilerConfig", "ProfilerRuleConfigurations", "RemoteDebugConfig"),
)
def update_training_job(context: Context, _caller: Caller, request: Request) -> Answer:
    """Only the time for which the job's warm pool is kept can be changed."""
    name = request["TrainingJobName"]
    operations.find(context, TRAINING, name)
    if resources := request.get("ResourceConfig"):
        training.keep_pool(context, name, resources["KeepAlivePeriodInSeconds"])
    return {"TrainingJobArn": arn_of(context, TRAINING, name)}


def _warm_pool(context: Context, job: Job) -> dict[str, Any]:
    pool = warm_pools.of_job(job, context.now())
    if pool is None:
        return {}
    status = {
        "Status": next(name for name, status in POOL_STATUS.items() if status == pool.status),
        "ResourceRetainedBillableTimeInSeconds": pool.idle_seconds,
        **({"ReusedByJob": pool.reused_by} if pool.reused_by else {}),
    }
    return {"WarmPoolStatus": status}


def _summarize_with_pool(context: Context, job: Job) -> dict[str, Any]:
    return {**_summarize(context, job), **_warm_pool(context, job)}


def _summarize(context: Context, job: Job) -> dict[str, Any]:
    return {
        "TrainingJobName": job.name,
        "TrainingJobArn": arn_of(context, TRAINING, job.name),
        **times(job),
        "TrainingJobStatus": operations.STATUS[job.state],
        "SecondaryStatus": secondary_status(job.state, job),
        **({"TrainingEndTime": time(job.ended_at)} if job.ended_at else {}),
    }


def _describe(context: Context, job: Job) -> dict[str, Any]:
    final = training.final_metrics(context, [job.name]).get(job.name, {})
    return describe(context, job, jobs.history(context, job), final)


def describe(context: Context, job: Job, history: Sequence[events.Event], final: Mapping[str, Point]) -> dict[str, Any]:
    """Return a job as Describe and Search do."""
    specification, progress = job.specification, job.progress
    echoed: dict[str, Any] = dict(specification.description["request"])
    optional = {
        "FailureReason": progress.failure if job.state == State.FAILED else None,
        "TrainingStartTime": time(progress.started_at) if progress.started_at else None,
        "TrainingEndTime": time(job.ended_at) if job.ended_at else None,
        "BillableTimeInSeconds": progress.billable_seconds,
        "TrainingTimeInSeconds": progress.billable_seconds,
        "FinalMetricDataList": _final_metrics(final) or None,
    }
    return {
        "HyperParameters": {},
        "InputDataConfig": [],
        # As in AWS, also of a job that has not stored its model, where the object does not exist.
        "ModelArtifacts": {"S3ModelArtifacts": progress.artifact or specification.outputs[0].uri},
        "ResourceConfig": {
            "InstanceType": specification.instance_type,
            "InstanceCount": specification.instance_count,
            "VolumeSizeInGB": specification.volume_gigabytes,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": specification.max_runtime_seconds},
        "EnableNetworkIsolation": False,
        "EnableInterContainerTrafficEncryption": False,
        "EnableManagedSpotTraining": False,
        **echoed,
        **_summarize(context, job),
        "AlgorithmSpecification": _algorithm(job, echoed["AlgorithmSpecification"]),
        "OutputDataConfig": {**OUTPUT_DEFAULTS, **echoed["OutputDataConfig"]},
        "SecondaryStatusTransitions": _transitions(job, history),
        **{member: value for member, value in optional.items() if value is not None},
        **_warm_pool(context, job),
    }


def _algorithm(job: Job, requested: Mapping[str, Any]) -> dict[str, Any]:
    """Return the AlgorithmSpecification as requested, with the metrics of a built-in program in addition."""
    found = [{"Name": one.name, "Regex": one.expression} for one in logs.definitions(job)]
    return {**ALGORITHM_DEFAULTS, **requested, **({"MetricDefinitions": found} if found else {})}


def _transitions(job: Job, history: Sequence[events.Event]) -> list[dict[str, Any]]:
    ends = [*(event.at for event in history[1:]), *([job.ended_at] if history else [])]
    return [
        {
            "Status": secondary_status(State(event.state), job) if number else SECONDARY_STATUS[State.PENDING],
            "StartTime": time(event.at),
            **({"EndTime": time(end)} if end else {}),
            "StatusMessage": event.message,
        }
        for number, (event, end) in enumerate(zip(history, ends, strict=True))
    ]


def secondary_status(state: State, job: Job) -> str:
    """Return SageMaker's SecondaryStatus of a job that was in this state."""
    if state == State.STOPPED and job.progress.ended_by:
        return LIMIT_STATUS[job.progress.ended_by]
    if state == State.PENDING and job.progress.attempt > 1:
        return "Restarting"
    return SECONDARY_STATUS[state]


def _final_metrics(final: Mapping[str, Point]) -> list[dict[str, Any]]:
    return [
        {"MetricName": name, "Value": point.value, "Timestamp": time(point.at)} for name, point in sorted(final.items())
    ]
