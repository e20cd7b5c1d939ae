"""Functions shared by the operations on jobs of every kind.

Describe waits for a young job to end, since SDKs describe a job once and then sleep 10 to 30 s.
"""

import asyncio
from collections.abc import Collection, Mapping

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Request
from lowcloud.api.aws.services.sagemaker.errors import invalid
from lowcloud.api.aws.services.sagemaker.translation import arn_of, read_tags
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import AlreadyExistsError, NotFoundError
from lowcloud.core.identity.callers import Caller
from lowcloud.core.jobs import creation, jobs
from lowcloud.core.jobs.job_kind import JobKind
from lowcloud.core.jobs.jobs import Job, Specification, State

WAIT_SECONDS = 10.0
POLL_SECONDS = 0.02
STATUS: Mapping[State, str] = {
    **dict.fromkeys(State, "InProgress"),
    State.STOPPING: "Stopping",
    State.COMPLETED: "Completed",
    State.FAILED: "Failed",
    State.STOPPED: "Stopped",
}


def create(context: Context, kind: JobKind, name: str, specification: Specification, request: Request) -> str:
    """Create a job with the request's tags and return its ARN. Raises AwsError if the name is taken."""
    try:
        creation.create(context, kind, name, specification, read_tags(request))
    except AlreadyExistsError as error:
        message = (
            f"Job name must be unique within an AWS account and region, and a {kind.noun} with this name already "
            f"exists ({arn_of(context, kind, name)})"
        )
        raise AwsError("ResourceInUse", message) from error
    return arn_of(context, kind, name)


async def wait_for(context: Context, caller: Caller, kind: JobKind, name: str) -> Job:
    """Return the job when it has ended or is WAIT_SECONDS old. Raises AwsError if there is none.

    The job's own program gets it immediately, since the job cannot end while it waits.
    """
    job = await asyncio.to_thread(find, context, kind, name)
    if caller.session == kind.role_session:
        return job
    while not job.state.is_end and (age := context.now() - job.created_at) < WAIT_SECONDS:
        await asyncio.sleep(POLL_SECONDS + age / 20)
        job = await asyncio.to_thread(find, context, kind, name)
    return job


def find(context: Context, kind: JobKind, name: str) -> Job:
    """Return the job. Raises AwsError."""
    try:
        return resources.find(context, kind, name)
    except NotFoundError as error:
        raise not_found() from error


def states_of(request: Request) -> Collection[State] | None:
    """Return the states that the StatusEquals of a List request means; None: any."""
    status = request.get("StatusEquals")
    return [state for state, shown in STATUS.items() if shown == status] if status else None


def stop(context: Context, kind: JobKind, name: str) -> None:
    """Request that the job stop. Raises AwsError if there is none, and InvalidError if it has ended."""
    try:
        jobs.stop(context, kind, name)
    except NotFoundError as error:
        raise not_found() from error


def not_found() -> AwsError:
    """Return SageMaker's error for a job that does not exist."""
    return invalid("Requested resource not found.")
