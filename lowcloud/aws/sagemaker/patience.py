"""How a Describe looks at a job: one that is young is waited for, since SDKs look once and then sleep 10 to 30 s."""

import asyncio

from lowcloud.aws.errors import AwsError
from lowcloud.aws.sagemaker.translation import invalid
from lowcloud.core import jobs
from lowcloud.core.access import Caller
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import NotFound
from lowcloud.core.jobs import Job, Kind

PATIENCE_SECONDS = 10.0
POLL_SECONDS = 0.02


async def see(cloud: Cloud, caller: Caller, kind: Kind, name: str) -> Job:
    """The job at its end, or when it is PATIENCE_SECONDS old. Raises AwsError where there is none.

    A job's own program, which may ask about itself, would wait in vain: it sees the job as it stands.
    """
    job = await asyncio.to_thread(find, cloud, kind, name)
    if caller.session == jobs.SESSION:
        return job
    while not job.state.is_end and (age := cloud.now() - job.created_at) < PATIENCE_SECONDS:
        await asyncio.sleep(POLL_SECONDS + age / 20)
        job = await asyncio.to_thread(find, cloud, kind, name)
    return job


def find(cloud: Cloud, kind: Kind, name: str) -> Job:
    """The job as it stands. Raises AwsError."""
    try:
        return jobs.find(cloud, kind, name)
    except NotFound as error:
        raise not_found() from error


def not_found() -> AwsError:
    """What SageMaker says of a job that does not exist."""
    return invalid("Requested resource not found.")
