"""The work of a job: what the engine runs on its hosts, and the reasons of failures."""

from collections.abc import Sequence
from typing import Any

from lowcloud import contract
from lowcloud.core.context import Context
from lowcloud.core.environments import package_index
from lowcloud.core.errors import NotFoundError
from lowcloud.core.identity import sessions
from lowcloud.core.jobs import programs
from lowcloud.core.jobs.jobs import Job, Specification
from lowcloud.core.jobs.logs import hosts
from lowcloud.core.programs.resolver import Program
from lowcloud.core.staging import input_staging
from lowcloud.core.staging.channels import Channel
from lowcloud.core.staging.input_staging import StagedInputs
from lowcloud.engine.work import Input, Phase, Replica, ReplicaStatus, StagingError, Work, reported_failure
from lowcloud.home import client_environment

LOST = "InternalServerError: The host was lost while the program ran. Start the job again."
SPARE_SECONDS = 3600  # how much longer than its time limit the credentials of a job are valid
MESSAGE_BYTES = 1024
FAILURE_LIMIT = 1024  # characters of a failure reason
FAILURE_FILE_LIMIT = 4096  # bytes read of the failure file that a program wrote
KNOWN_FAULTS = ("ClientError", "AlgorithmError", "InternalServerError")


def plan(context: Context, job: Job) -> Work:
    """Return the work that the engine runs for a job. Raises StagingError, for example if a channel has no data."""
    requested = job.specification
    program = programs.of_job(context, job)
    store = programs.store_of(context, job)
    source = programs.source_of(store, requested) if program.takes_source else None
    staged = input_staging.stage(store, _channels(requested), requested.instance_count)
    return Work(
        id=job.work_id,
        command=program.command,
        replicas=tuple(_replica(context, job, rank, of_host, source) for rank, of_host in enumerate(staged)),
        resources=job.allocation,
        network=_has_network(job, program),
        environment=job.progress.environment or "",
        disk_bytes=requested.volume_gigabytes << 30,
        container=program.container,
        entrypoint=requested.entrypoint if program.container else (),
    )


def failure(context: Context, job: Job, replicas: Sequence[ReplicaStatus]) -> str:
    """Return why the program failed, for its user: what it reported itself, or else what is known from outside.

    The failure of the host that ended first counts: the others may only have missed it.
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
            return f"ClientError: The program filled its volume of {size}. Write less data, or request a larger volume."
        if status.reason.startswith(contract.INPUT_LOST):
            return f"ClientError: Data of the job could not be read: {status.reason.partition(': ')[2]}"
        sentence = reported_failure(context.engine, job.work_id, rank, FAILURE_FILE_LIMIT)
        sentence = sentence or f"The program of {hosts(job)[rank]} failed; see its log."
        sentence = sentence.removesuffix(".")
        kind = "" if sentence.startswith(KNOWN_FAULTS) else "AlgorithmError: "
        code = f", exit code: {status.exit_code}"
        return f"{kind}{sentence}"[: FAILURE_LIMIT - len(code)] + code
    raise AssertionError("no replica has failed")


def message(context: Context, job: Job) -> str | None:
    """Return the exit message of the first host's program."""
    reported = context.engine.read_file(job.work_id, 0, contract.MESSAGE, MESSAGE_BYTES) or b""
    return reported.decode(errors="replace").strip() or None


def resource_configuration(job: Job, rank: int) -> dict[str, Any]:
    """Return the resource configuration of the host of a rank, as SageMaker documents it (resourceconfig.json)."""
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


def _has_network(job: Job, program: Program) -> bool:
    """Return whether a program has network access: built-in ones have only a network of their own hosts."""
    return not (program.is_built_in or job.specification.is_network_isolated)


def _replica(context: Context, job: Job, rank: int, staged: StagedInputs, source: Input | None) -> Replica:
    requested = job.specification
    return Replica(
        variables=_variables(context, job),
        files={**job.kind.files(job, rank), **_package_index(requested)},
        inputs=staged.inputs,
        lazy_folders=staged.lazy_folders,
        streams=staged.streams,
        archives=(source,) if source else (),
        folders=tuple(output.folder for output in (*requested.outputs, requested.checkpoints) if output),
    )


def _channels(requested: Specification) -> tuple[Channel, ...]:
    """Return what is staged: the inputs, and the checkpoints of an earlier attempt or an earlier job."""
    if requested.checkpoints is None:
        return requested.channels
    place = requested.checkpoints
    prefix = f"{place.prefix.rstrip('/')}/" if place.prefix else ""
    left = Channel("checkpoints", place.bucket, prefix, path=place.folder, is_optional=True)
    return (*requested.channels, left)


def _package_index(requested: Specification) -> dict[str, str]:
    """Return the configuration with which pip in the program uses the package indexes of the user of the server."""
    text = "" if requested.is_network_isolated else package_index.pip_configuration()
    return {contract.PIP_CONFIGURATION: text} if text else {}


def _variables(context: Context, job: Job) -> dict[str, str]:
    requested = job.specification
    client = {} if requested.is_network_isolated else _client_variables(context, job)
    region = {"AWS_REGION": context.settings.region, "AWS_DEFAULT_REGION": context.settings.region}
    # These override the user's: they include the user's module path and proxies, and no other cloud must get these
    # keys.
    return {**requested.variables, **client, **region, **job.kind.variables(job)}


def _client_variables(context: Context, job: Job) -> dict[str, str]:
    """Return variables with which AWS clients in the program act as the job's role, for as long as it may take."""
    requested = job.specification
    seconds = requested.max_runtime_seconds + SPARE_SECONDS
    try:
        session = sessions.issue_for_role(context, requested.role, job.kind.role_session, seconds)
    except NotFoundError as error:
        raise StagingError(f"The role {requested.role!r} of the job has been deleted.") from error
    keys = client_environment.ClientKeys(session.access_key_id, session.secret_access_key, session.session_token or "")
    return client_environment.variables(
        context.settings.home, context.endpoint, context.settings.region, keys, requested.variables
    )
