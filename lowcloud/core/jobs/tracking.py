"""What tracking keeps of a job: its parameters, what it reads, what it leaves, and how it stands.

`begin` belongs in the transaction that makes the job, `follow` in each that changes its state.
"""

from collections.abc import Iterator

from sqlalchemy import Connection

from lowcloud.core.jobs.jobs import TRAINING, Job, JobKind, Output, Specification, State, subject
from lowcloud.core.programs import images
from lowcloud.core.tracking import provenance
from lowcloud.core.tracking.provenance import CHECKPOINT, CODE, DATASET, IMAGE, MODEL, Material

CODE_INPUTS = ("code", "entrypoint")  # what SDKs call the inputs of a processing job that hold its script
STATUS = {State.COMPLETED: "Completed", State.FAILED: "Failed", State.STOPPED: "Stopped"}


def begin(connection: Connection, kind: JobKind, name: str, asked: Specification, now: float) -> None:
    """Keep what a new job is made from. Raises NotFound and Invalid for what its grouping names."""
    parameters: dict[str, str | float] = {
        "SageMaker.InstanceType": asked.instance_type,
        "SageMaker.InstanceCount": asked.instance_count,
        "SageMaker.VolumeSizeInGB": asked.volume_gigabytes,
        **asked.hyperparameters,
    }
    provenance.begin(connection, subject(kind, name), now, list(_materials(asked)), parameters, asked.grouping)


def follow(connection: Connection, before: Job, job: Job) -> None:
    """Keep that a job runs now, or has ended."""
    if job.state == State.RUNNING and before.state != State.RUNNING:
        now = job.modified_at
        provenance.start(connection, job.subject, now, job.progress.started_at or now)
    if not job.state.is_end or before.state.is_end:
        return
    failure = job.progress.failure or ""
    provenance.end(connection, job.subject, job.modified_at, STATUS[job.state], failure, list(_products(job)))


def _materials(asked: Specification) -> Iterator[Material]:
    yield Material("SageMaker.ImageUri", asked.image, IMAGE)
    for channel in asked.channels:
        type_ = CODE if channel.name in CODE_INPUTS else DATASET
        yield Material(channel.name, f"s3://{channel.bucket}/{channel.prefix}", type_, channel.content_type)
    submitted = images.read_json_text(asked.hyperparameters.get(images.SOURCE, ""))
    if submitted.startswith("s3://"):
        yield Material("SageMaker.SourceCode", submitted, CODE)


def _products(job: Job) -> Iterator[Material]:
    asked = job.specification
    if job.kind is TRAINING and job.progress.artifact:
        yield Material("SageMaker.ModelArtifact", job.progress.artifact, MODEL)
    if job.kind is not TRAINING and job.state != State.FAILED:
        yield from (Material(output.name, _uri(output)) for output in asked.outputs)
    if asked.checkpoints:
        yield Material("SageMaker.Checkpoints", _uri(asked.checkpoints), CHECKPOINT)


def _uri(output: Output) -> str:
    return f"s3://{output.bucket}/{output.prefix}"
