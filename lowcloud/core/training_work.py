"""The work of a training job: what its hosts get, print, and leave behind."""

import json
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection

from lowcloud import catalog, contract
from lowcloud.core import logs, metrics, objects, shares
from lowcloud.core.channels import inputs_of
from lowcloud.core.cloud import Closing, Cloud
from lowcloud.core.errors import Invalid
from lowcloud.core.training import TrainingJob
from lowcloud.engine import LogLine, Phase, Replica, ReplicaStatus, StagingFailed, Work

LOST = "InternalServerError: The training host was lost while the program ran. Start the job again."
FAILURE_FILE_LIMIT = 4096  # bytes read of what a program wrote about its failure


def plan(cloud: Cloud, job: TrainingJob) -> Work:
    """What the engine shall run. Raises StagingFailed where a channel has no data."""
    try:
        program = catalog.find(job.specification.image)
    except catalog.UnknownImage as error:
        raise StagingFailed(str(error)) from error
    return Work(
        id=job.subject,
        command=program.train_command,
        replicas=tuple(_replica(cloud, job, rank) for rank in range(job.specification.instance_count)),
        resources=shares.of_one_replica(cloud),
        network=program.hosts_need_network and job.specification.instance_count > 1,
    )


def hosts(job: TrainingJob) -> list[str]:
    """The names of the job's hosts, in the order of their ranks."""
    return [f"algo-{rank + 1}" for rank in range(job.specification.instance_count)]


def collect_logs(cloud: Cloud, job: TrainingJob, replicas: int) -> None:
    """Move what the hosts printed into the job's log streams, and the metrics found there into their series."""
    definitions = _definitions(job)

    def record_metrics(connection: Connection, lines: Sequence[LogLine]) -> None:
        found = metrics.find_in_lines(definitions, lines)
        metrics.record(connection, ((metrics.series_of_job(job.name, name), point) for name, point in found))

    for replica in range(replicas):
        stream = f"{job.name}/{hosts(job)[replica]}-{int(job.created_at)}"
        logs.open_stream(cloud, logs.TRAINING_GROUP, stream)
        logs.collect(cloud, logs.TRAINING_GROUP, stream, job.subject, replica, record_metrics)


def failure(cloud: Cloud, job: TrainingJob, replicas: Sequence[ReplicaStatus]) -> str:
    """Why the program failed, for its user: what it said itself, else what is known from outside.

    The host that ended first speaks: the others may only have missed it.
    """
    for replica, status in sorted(enumerate(replicas), key=lambda one: one[1].ended_at or float("inf")):
        if status.phase == Phase.LOST:
            return LOST
        if status.exit_code in (None, 0):
            continue
        if status.out_of_memory:
            return "ClientError: The program ran out of memory. Use less data at a time or a larger instance type."
        said = cloud.engine.read_file(job.subject, replica, contract.FAILURE, FAILURE_FILE_LIMIT) or b""
        sentence = said.decode(errors="replace").strip() or f"The program of {hosts(job)[replica]} failed; see its log."
        kind = (
            "" if sentence.startswith(("ClientError", "AlgorithmError", "InternalServerError")) else "AlgorithmError: "
        )
        return f"{kind}{sentence}, exit code: {status.exit_code}"
    raise AssertionError("no replica has failed")


def store_artifact(cloud: Cloud, job: TrainingJob) -> str:
    """Store the model of the first host, and return where: "s3://bucket/key". Raises CloudError and Closing."""
    asked = job.specification
    prefix = f"{asked.output_prefix.strip('/')}/{job.name}/output".lstrip("/")
    key = f"{prefix}/model.tar.gz"
    objects.put(cloud, asked.output_bucket, key, _archive_model(cloud, job))
    return f"s3://{asked.output_bucket}/{key}"


def _archive_model(cloud: Cloud, job: TrainingJob) -> Iterator[bytes]:
    """The model folder, packed. Raises Invalid where the program has left it so that it cannot be."""
    try:
        for chunk in cloud.engine.archive(job.subject, 0, contract.MODEL):
            if cloud.closing.is_set():
                raise Closing
            yield chunk
    except OSError as error:
        raise Invalid(f"the program's model folder cannot be read: {error.strerror or error}.") from error


def _definitions(job: TrainingJob) -> list[metrics.Definition]:
    program = catalog.resolve(job.specification.image)
    built_in = program.metrics if program else ()
    return [
        *(metrics.Definition(metric.name, metric.regex) for metric in built_in),
        *job.specification.metric_definitions,
    ]


def _replica(cloud: Cloud, job: TrainingJob, rank: int) -> Replica:
    asked = job.specification
    inputs = tuple(
        entry for channel in asked.channels for entry in inputs_of(cloud, channel, rank, asked.instance_count)
    )
    return Replica(environment=_environment(cloud, job), files=_files(job, rank), inputs=inputs)


def _environment(cloud: Cloud, job: TrainingJob) -> dict[str, str]:
    return {
        **job.specification.environment,
        "TRAINING_JOB_NAME": job.name,
        "AWS_REGION": cloud.settings.region,
    }


def _files(job: TrainingJob, rank: int) -> dict[str, str]:
    asked = job.specification
    names = hosts(job)
    channels = {
        channel.name: {
            "TrainingInputMode": "File",
            "S3DistributionType": "ShardedByS3Key" if channel.is_sharded else "FullyReplicated",
            "RecordWrapperType": "None",
            **({"ContentType": channel.content_type} if channel.content_type else {}),
            **({"CompressionType": "Gzip"} if channel.is_gzip else {}),
        }
        for channel in asked.channels
    }
    group = {"instance_group_name": "homogeneousCluster", "instance_type": asked.instance_type, "hosts": names}
    resources = {
        "current_host": names[rank],
        "hosts": names,
        "current_instance_type": asked.instance_type,
        "current_group_name": "homogeneousCluster",
        "instance_groups": [group],
        "network_interface_name": "lo",
    }
    return {
        contract.HYPERPARAMETERS: json.dumps(dict(asked.hyperparameters)),
        contract.INPUT_DATA_CONFIG: json.dumps(channels),
        contract.RESOURCE_CONFIG: json.dumps(resources),
    }
