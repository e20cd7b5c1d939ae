"""The work of a job: what its hosts get, and why they failed."""

import json
from collections.abc import Sequence
from typing import Any

from lowcloud import contract
from lowcloud.core.context import Context
from lowcloud.core.environments import environments
from lowcloud.core.identity.access import Caller, issue_session
from lowcloud.core.jobs.jobs import SESSION, TRAINING, Job, Specification
from lowcloud.core.jobs.logs import hosts
from lowcloud.core.programs import images
from lowcloud.core.staging import channels, input_staging
from lowcloud.core.staging.channels import Channel
from lowcloud.core.staging.input_staging import Laid
from lowcloud.engine.work import Input, Phase, Replica, ReplicaStatus, StagingError, Work
from lowcloud.home import client_environment

LOST = "InternalServerError: The host was lost while the program ran. Start the job again."
SPARE_SECONDS = 3600  # that keys of a job's role outlive the job's time
MESSAGE_BYTES = 1024
FAILURE_LIMIT = 1024  # characters of a failure reason
FAILURE_FILE_LIMIT = 4096  # bytes read of what a program wrote about its failure
KNOWN_FAULTS = ("ClientError", "AlgorithmError", "InternalServerError")


def plan(context: Context, job: Job) -> Work:
    """What the engine shall run. Raises StagingError where a channel has no data."""
    asked = job.specification
    try:
        program = images.program_of(context, job.kind, asked)
    except images.UnknownImageError as error:
        raise StagingError(str(error)) from error
    source = images.source_of(context, asked) if program.takes_source else None
    return Work(
        id=job.work_id,
        command=program.command,
        replicas=tuple(
            _replica(context, job, rank, laid, source)
            for rank, laid in enumerate(input_staging.lay(context, _channels(asked), asked.instance_count))
        ),
        resources=job.share,
        network=_has_network(job, program),
        environment=job.progress.environment or "",
        disk_bytes=asked.volume_gigabytes << 30,
        container=program.container,
        entrypoint=asked.entrypoint if program.container else (),
    )


def failure(context: Context, job: Job, replicas: Sequence[ReplicaStatus]) -> str:
    """Why the program failed, for its user: what it said itself, else what is known from outside.

    The host that ended first speaks: the others may only have missed it.
    """
    for rank, status in sorted(enumerate(replicas), key=lambda one: one[1].ended_at or float("inf")):
        if status.phase == Phase.LOST:
            return LOST
        if status.exit_code in (None, 0):
            continue
        if status.out_of_memory:
            return "ClientError: The program ran out of memory. Use less data at a time or a larger instance type."
        if status.reason == contract.DISK_FULL:
            size = f"{job.specification.volume_gigabytes} GB"
            return f"ClientError: The program filled its volume of {size}. Write less, or ask for a larger one."
        if status.reason.startswith(contract.INPUT_LOST):
            return f"ClientError: Data of the job could not be read: {status.reason.partition(': ')[2]}"
        said = context.engine.read_file(job.work_id, rank, contract.FAILURE, FAILURE_FILE_LIMIT) or b""
        sentence = said.decode(errors="replace").strip("\0 \t\r\n")
        sentence = sentence or f"The program of {hosts(job)[rank]} failed; see its log."
        sentence = sentence.removesuffix(".")
        kind = "" if sentence.startswith(KNOWN_FAULTS) else "AlgorithmError: "
        code = f", exit code: {status.exit_code}"
        return f"{kind}{sentence}"[: FAILURE_LIMIT - len(code)] + code
    raise AssertionError("no replica has failed")


def message(context: Context, job: Job) -> str | None:
    """What the program of the first host has left to be said at its end."""
    said = context.engine.read_file(job.work_id, 0, contract.MESSAGE, MESSAGE_BYTES) or b""
    return said.decode(errors="replace").strip() or None


def _has_network(job: Job, program: images.ResolvedProgram) -> bool:
    """Users' programs have the network unless they gave it up; built-in ones never: their hosts have their own."""
    return not (program.is_built_in or job.specification.is_network_isolated)


def _replica(context: Context, job: Job, rank: int, laid: Laid, source: Input | None) -> Replica:
    asked = job.specification
    return Replica(
        environment=_environment(context, job),
        files={**_files(job, rank), **_indexes(asked)},
        inputs=laid.inputs,
        lazy_folders=laid.lazy_folders,
        streams=laid.streams,
        archives=(source,) if source else (),
        folders=tuple(output.folder for output in (*asked.outputs, asked.checkpoints) if output),
    )


def _channels(asked: Specification) -> tuple[Channel, ...]:
    """What is laid: the inputs, and the checkpoints that an earlier attempt, or an earlier job, has left."""
    if asked.checkpoints is None:
        return asked.channels
    place = asked.checkpoints
    prefix = f"{place.prefix.rstrip('/')}/" if place.prefix else ""
    left = Channel("checkpoints", place.bucket, prefix, path=place.folder, is_optional=True)
    return (*asked.channels, left)


def _indexes(asked: Specification) -> dict[str, str]:
    """Where the program's pip finds packages, as for the server's user."""
    text = "" if asked.is_network_isolated else environments.pip_configuration()
    return {contract.PIP_CONFIGURATION: text} if text else {}


def _environment(context: Context, job: Job) -> dict[str, str]:
    asked = job.specification
    wired = {} if asked.is_network_isolated else _wiring(context, job)
    arn = str(asked.description.get("arn", ""))
    names = {"TRAINING_JOB_NAME": job.name, "TRAINING_JOB_ARN": arn} if job.kind is TRAINING else {}
    region = {"AWS_REGION": context.settings.region, "AWS_DEFAULT_REGION": context.settings.region}
    # Ours last: they hold the user's module path and proxies too, and no other cloud shall get this one's keys.
    return {**asked.environment, **wired, **region, **names}


def _wiring(context: Context, job: Job) -> dict[str, str]:
    """What lets the program act as the job's role, for as long as the job may take."""
    asked = job.specification
    caller = Caller(context.settings.account_id, "", role=asked.role, session=SESSION)
    session = issue_session(context, caller, asked.max_runtime_seconds + SPARE_SECONDS)
    keys = client_environment.TemporaryKeys(
        session.access_key_id, session.secret_access_key, session.session_token or ""
    )
    return client_environment.variables(
        context.settings.home, context.endpoint, context.settings.region, keys, asked.environment
    )


def _files(job: Job, rank: int) -> dict[str, str]:
    resources = json.dumps(_resources(job, rank))
    if job.kind is not TRAINING:
        return {
            contract.PROCESSING_CONFIG: json.dumps(job.specification.description.get("request", {}), default=str),
            contract.PROCESSING_RESOURCE_CONFIG: resources,
        }
    return {
        contract.HYPERPARAMETERS: json.dumps(dict(job.specification.hyperparameters)),
        contract.INPUT_DATA_CONFIG: json.dumps(
            {channel.name: channels.configuration_of(channel) for channel in job.specification.channels}
        ),
        contract.RESOURCE_CONFIG: resources,
    }


def _resources(job: Job, rank: int) -> dict[str, Any]:
    names, instance_type = hosts(job), job.specification.instance_type
    group = {"instance_group_name": "homogeneousCluster", "instance_type": instance_type, "hosts": names}
    return {
        "current_host": names[rank],
        "hosts": names,
        "current_instance_type": instance_type,
        "current_group_name": "homogeneousCluster",
        "instance_groups": [group],
        "network_interface_name": "lo",
    }
