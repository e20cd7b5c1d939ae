"""Jobs of either kind in SageMaker's words: asked for, looked at, told to stop.

A young job is waited for by whoever describes it, since SDKs look once and then sleep 10 to 30 s.
"""

import asyncio
from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement

from lowcloud.api.aws.arns import of_sagemaker
from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Request
from lowcloud.api.aws.services.sagemaker.translation import invalid, read_list, read_tags
from lowcloud.core.context import Context
from lowcloud.core.errors import AlreadyExistsError, NotFoundError
from lowcloud.core.identity.access import Caller
from lowcloud.core.jobs import creation, jobs
from lowcloud.core.jobs.job_kind import JobKind
from lowcloud.core.jobs.jobs import Job, Specification, State
from lowcloud.store.db.pages import Page

PATIENCE_SECONDS = 10.0
POLL_SECONDS = 0.02
SORT_COLUMNS = {"CreationTime": "created_at", "Name": "name", "Status": "state"}
STATUS: Mapping[State, str] = {
    **dict.fromkeys(State, "InProgress"),
    State.STOPPING: "Stopping",
    State.COMPLETED: "Completed",
    State.FAILED: "Failed",
    State.STOPPED: "Stopped",
}


def arn(context: Context, kind: JobKind, name: str) -> str:
    """The name that AWS gives a job."""
    return of_sagemaker(context, kind.subject(name))


def create(context: Context, kind: JobKind, name: str, asked: Specification, request: Request) -> str:
    """Ask for a job with the request's tags; its ARN. Raises AwsError where the name is taken."""
    try:
        creation.create(context, kind, name, asked, read_tags(request))
    except AlreadyExistsError as error:
        taken = (
            f"Job name must be unique within an AWS account and region, and a {kind.noun} with this name already "
            f"exists ({arn(context, kind, name)})"
        )
        raise AwsError("ResourceInUse", taken) from error
    return arn(context, kind, name)


async def see(context: Context, caller: Caller, kind: JobKind, name: str) -> Job:
    """The job at its end, or when it is PATIENCE_SECONDS old. Raises AwsError where there is none.

    A job's own program, which may ask about itself, would wait in vain: it sees the job as it stands.
    """
    job = await asyncio.to_thread(find, context, kind, name)
    if caller.session == kind.role_session:
        return job
    while not job.state.is_end and (age := context.now() - job.created_at) < PATIENCE_SECONDS:
        await asyncio.sleep(POLL_SECONDS + age / 20)
        job = await asyncio.to_thread(find, context, kind, name)
    return job


def find(context: Context, kind: JobKind, name: str) -> Job:
    """The job as it stands. Raises AwsError."""
    try:
        return jobs.find(context, kind, name)
    except NotFoundError as error:
        raise not_found() from error


def read_page(context: Context, kind: JobKind, request: Request, where: Sequence[ColumnElement[bool]] = ()) -> Page:
    """The rows that a List request asks for, newest first unless it says otherwise."""
    state = kind.table.c.state
    status = request.get("StatusEquals")
    of_status = [state.in_([one for one, shown in STATUS.items() if shown == status])] if status else []
    return read_list(context, request, kind.table, SORT_COLUMNS, [*where, *of_status])


def stop(context: Context, kind: JobKind, name: str) -> None:
    """Wish the job to end. Raises AwsError where there is none, and Invalid where it has ended."""
    try:
        jobs.stop(context, kind, name)
    except NotFoundError as error:
        raise not_found() from error


def not_found() -> AwsError:
    """What SageMaker says of a job that does not exist."""
    return invalid("Requested resource not found.")
