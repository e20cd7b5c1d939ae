"""Operations on jobs of every kind."""

import json
from typing import Any

from lowcloud.api.aws.access.permissions import every, on, on_any
from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.jobs.jobs import STATUS
from lowcloud.api.aws.services.sagemaker.jobs.training_jobs import secondary_status
from lowcloud.api.aws.services.sagemaker.translation import arn_of
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError, InvalidPageTokenError, NotFoundError
from lowcloud.core.identity.callers import Caller
from lowcloud.core.jobs import jobs, programs
from lowcloud.core.jobs.jobs import Job, Specification, State
from lowcloud.core.jobs.training import TRAINING
from lowcloud.core.scheduling import capacity as capacities
from lowcloud.core.scheduling.waiting import Wait

JOBS_PER_PAGE = 25


@operation("lowcloud", "ListJobs", every(on_any("sagemaker:ListTrainingJobs"), on_any("sagemaker:ListProcessingJobs")))
def list_jobs(context: Context, caller: Caller, request: Request) -> Answer:
    """Newest first."""
    limit, in_progress = request.get("MaxResults", JOBS_PER_PAGE), request.get("InProgress", False)
    after = _read_token(request["NextToken"]) if "NextToken" in request else None
    found = jobs.list_newest(context, limit + 1, request.get("JobName"), in_progress=in_progress, after=after)
    shown = found[:limit]
    waits = jobs.waits(context, shown)
    page = {"Jobs": [_describe_job(context, job, waits.get(job.subject)) for job in shown]}
    return {**page, "NextToken": json.dumps(jobs.position(shown[-1]))} if len(found) > limit else page


@operation("lowcloud", "InterruptTrainingJob", on("training-job/{TrainingJobName}", action="sagemaker:StopTrainingJob"))
def interrupt_training_job(context: Context, caller: Caller, request: Request) -> Answer:
    """The job starts again from its checkpoint when there is capacity for it."""
    try:
        jobs.interrupt(context, TRAINING, request["TrainingJobName"])
    except NotFoundError as error:
        raise AwsError("ResourceNotFound", str(error)) from error
    except InvalidError as error:
        raise AwsError("ValidationException", str(error)) from error
    return {}


def _read_token(token: str) -> tuple[float, str, str]:
    """Return the position that a page ended at. Raises InvalidPageTokenError."""
    try:
        created_at, name, prefix = json.loads(token)
        if isinstance(name, str) and isinstance(prefix, str):
            return float(created_at), name, prefix
    except (ValueError, TypeError):
        pass
    raise InvalidPageTokenError("The token is not one of this list.")


def _describe_job(context: Context, job: Job, wait: Wait | None) -> dict[str, Any]:
    instance = capacities.find_instance(job.specification.instance_type)
    fitted = capacities.fit(instance, job.specification.instance_count, capacities.of_machine(context))
    members = {
        "JobName": job.name,
        "JobArn": arn_of(context, job.kind, job.name),
        "JobKind": job.kind.noun,
        "JobStatus": STATUS[job.state],
        "SecondaryStatus": secondary_status(job.state, job) if job.kind is TRAINING else None,
        "WaitingFor": wait.message if wait else None,
        "CoresWaitedFor": wait.cores or None if wait else None,
        "InstanceType": job.specification.instance_type,
        "InstanceCount": job.specification.instance_count,
        "InstanceNote": fitted.message or None,
        "CreationTime": job.created_at,
        "StartTime": job.progress.started_at,
        "EndTime": job.ended_at,
        "FailureReason": job.progress.failure if job.state == State.FAILED else None,
        "LogGroup": job.kind.log_group,
        "DataUrls": _data_urls(job.specification),
    }
    return {member: value for member, value in members.items() if value is not None}


def _data_urls(specification: Specification) -> list[str]:
    """Return the URLs of the objects that a job reads and writes, its code included."""
    outputs = [*specification.outputs, *filter(None, [specification.checkpoints])]
    code = filter(None, [programs.source_uri(specification)])
    return [*(one.uri for one in specification.channels), *(one.uri for one in outputs), *code]
