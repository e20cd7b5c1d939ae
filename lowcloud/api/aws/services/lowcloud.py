"""Operations that Lowcloud has beyond those of AWS: a service with a model of its own, in the manner of AWS."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.front_hooks import SignedRequests, front_hook
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.jobs.jobs import STATUS
from lowcloud.api.aws.services.sagemaker.jobs.training_jobs import secondary_status
from lowcloud.api.aws.services.sagemaker.translation import arn_of
from lowcloud.api.http.messages import HttpRequest, HttpResponse
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.control import leader_election, periodic_tasks
from lowcloud.core.errors import ForbiddenError, InvalidError, InvalidPageTokenError, NotFoundError
from lowcloud.core.identity import sessions
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.users import USER
from lowcloud.core.jobs import jobs, programs
from lowcloud.core.jobs.jobs import Job, Specification, State
from lowcloud.core.jobs.training import TRAINING
from lowcloud.core.policies.requests import PrincipalKind
from lowcloud.core.programs import images
from lowcloud.core.programs.images import IMAGE, Image
from lowcloud.core.scheduling import capacity as capacities
from lowcloud.core.scheduling.waiting import Wait
from lowcloud.core.serving import endpoint_credentials

JOBS_PER_PAGE = 25
USER_SESSION_SECONDS = 12 * 3600
SCRUB_MEMBERS = {"versions": "Versions", "bytes": "Bytes", "findings": "Findings"}


@front_hook("lowcloud")
class LowcloudFrontHook(SignedRequests):
    """The hook of this service, which also gives AWS clients in replicas of endpoints their credentials."""

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


@operation("lowcloud", "CreateUserSession")
def create_user_session(context: Context, caller: Caller, request: Request) -> Answer:
    """For the root alone, who could as well create a key of the user."""
    if not caller.is_root:
        raise ForbiddenError("Only the root of the account may act as a user.")
    user = resources.find(context, USER, request["UserName"])
    as_user = Caller(user.account, kind=PrincipalKind.USER, name=user.name, path=user.path, unique_id=user.id)
    session = sessions.issue(context, as_user, USER_SESSION_SECONDS)
    return {
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret_access_key,
        "SessionToken": session.session_token,
    }


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
    after = _read_token(request["NextToken"]) if "NextToken" in request else None
    found = jobs.list_newest(context, limit + 1, request.get("JobName"), in_progress=in_progress, after=after)
    shown = found[:limit]
    waits = jobs.waits(context, shown)
    page = {"Jobs": [_describe_job(context, job, waits.get(job.subject)) for job in shown]}
    return {**page, "NextToken": json.dumps(jobs.position(shown[-1]))} if len(found) > limit else page


@operation("lowcloud", "DescribeCloud")
def describe_cloud(context: Context, caller: Caller, request: Request) -> Answer:
    """The last scrub is missing until one has ended."""
    capacity, isolation = capacities.of_machine(context), context.engine.isolation_status()
    found = {"Level": isolation.level, "Description": isolation.sentence, "WaitsFor": isolation.waits_for}
    leader = leader_election.leader_of(context.settings.work)
    with context.database.read() as connection:
        scrub = periodic_tasks.progress_of(connection, "scrub").get("last")
    last = (
        {"EndTime": scrub["ended_at"], **{SCRUB_MEMBERS[name]: scrub[name] for name in SCRUB_MEMBERS}} if scrub else {}
    )
    return {
        "Cores": capacity.cpus,
        "MemoryBytes": capacity.memory_bytes,
        "Gpus": capacity.gpus,
        "Isolation": {name: text for name, text in found.items() if text},
        **({"Leader": leader} if leader else {}),
        **({"LastScrub": last} if last else {}),
    }


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


def _describe(image: Image) -> dict[str, Any]:
    members = {
        "Python": image.python,
        "Requirements": image.requirements,
        "Command": list(image.command),
        "Container": image.is_container,
    }
    shown = {member: value for member, value in members.items() if value}
    return {"ImageName": image.name, "CreationTime": image.created_at, **shown}
