"""Operations that Lowcloud has beyond those of AWS: a service with a model of its own, in the manner of AWS."""

import asyncio
import json
from concurrent.futures import Executor
from datetime import UTC, datetime
from typing import Any

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.front_hooks import SignedRequests, front_hook
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.jobs.jobs import STATUS
from lowcloud.api.http.messages import HttpRequest, HttpResponse
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError, NotFoundError
from lowcloud.core.identity.access import Caller
from lowcloud.core.jobs import jobs
from lowcloud.core.jobs.jobs import Job, State
from lowcloud.core.jobs.training import TRAINING
from lowcloud.core.programs import images
from lowcloud.core.programs.images import IMAGE, Image
from lowcloud.core.serving import endpoint_credentials

JOBS_PER_PAGE = 25


@front_hook("lowcloud")
class LowcloudFrontHook(SignedRequests):
    """The hook of this service, which also gives AWS clients in replicas of endpoints their credentials."""

    def __init__(self, context: Context, workers: Executor):
        super().__init__(context)
        self._workers = workers

    def responds_to(self, request: HttpRequest) -> bool:
        """Return whether it is a request of a replica: no other has this path and a token instead of a signature."""
        token = request.headers.get("authorization", "AWS")
        return request.path == endpoint_credentials.PATH and request.method == "GET" and not token.startswith("AWS")

    async def respond(self, request: HttpRequest) -> HttpResponse:
        """Respond as the credential endpoints of ECS do."""
        loop = asyncio.get_running_loop()
        token = request.headers["authorization"]
        session = await loop.run_in_executor(self._workers, endpoint_credentials.issue, self._context, token)
        document = {
            "AccessKeyId": session.access_key_id,
            "SecretAccessKey": session.secret_access_key,
            "Token": session.session_token,
            "Expiration": datetime.fromtimestamp(session.expires_at or 0.0, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return HttpResponse(200, {"content-type": "application/json"}, json.dumps(document).encode())


@operation("lowcloud", "AddImage")
def add_image(context: Context, caller: Caller, request: Request) -> Answer:
    """Exactly one of Python, Requirements, Command and Container is given."""
    image = Image(
        name=request["ImageName"],
        created_at=context.now(),
        python=request.get("Python", ""),
        requirements=request.get("Requirements", ""),
        command=tuple(request.get("Command", [])),
        is_container=request.get("Container", False),
    )
    try:
        images.register(context, image)
    except InvalidError as error:
        raise _invalid(error) from error
    return {}


@operation("lowcloud", "ListImages")
def list_images(context: Context, caller: Caller, request: Request) -> Answer:
    """By name."""
    return {"Images": [_describe(image) for image in images.registered(context)]}


@operation("lowcloud", "RemoveImage")
def remove_image(context: Context, caller: Caller, request: Request) -> Answer:
    """Jobs that run with it continue."""
    try:
        resources.delete(context, IMAGE, request["ImageName"])
    except NotFoundError as error:
        raise AwsError("ResourceNotFound", str(error)) from error
    return {}


@operation("lowcloud", "ListJobs")
def list_jobs(context: Context, caller: Caller, request: Request) -> Answer:
    """Newest first."""
    limit, in_progress = request.get("MaxResults", JOBS_PER_PAGE), request.get("InProgress", False)
    found = jobs.list_newest(context, limit, request.get("JobName"), in_progress=in_progress)
    return {"Jobs": [_describe_job(job) for job in found]}


@operation("lowcloud", "InterruptTrainingJob")
def interrupt_training_job(context: Context, caller: Caller, request: Request) -> Answer:
    """The job starts again from its checkpoint when there is capacity for it."""
    try:
        jobs.interrupt(context, TRAINING, request["TrainingJobName"])
    except NotFoundError as error:
        raise AwsError("ResourceNotFound", str(error)) from error
    except InvalidError as error:
        raise _invalid(error) from error
    return {}


def _invalid(error: InvalidError) -> AwsError:
    return AwsError("ValidationException", str(error))


def _describe_job(job: Job) -> dict[str, Any]:
    members = {
        "JobName": job.name,
        "JobKind": job.kind.noun,
        "JobStatus": STATUS[job.state],
        "CreationTime": job.created_at,
        "EndTime": job.ended_at,
        "FailureReason": job.progress.failure if job.state == State.FAILED else None,
        "LogGroup": job.kind.log_group,
    }
    return {member: value for member, value in members.items() if value is not None}


def _describe(image: Image) -> dict[str, Any]:
    members = {
        "Python": image.python,
        "Requirements": image.requirements,
        "Command": list(image.command),
        "Container": image.is_container,
    }
    shown = {member: value for member, value in members.items() if value}
    return {"ImageName": image.name, "CreationTime": image.created_at, **shown}
