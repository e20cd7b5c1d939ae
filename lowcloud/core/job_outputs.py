"""What a job leaves: its outputs stored at its end, and its checkpoints and continuous outputs while it runs."""

from collections.abc import Iterator

from lowcloud.core import objects
from lowcloud.core.cloud import Closing, Cloud
from lowcloud.core.errors import Invalid
from lowcloud.core.jobs import Job, Output
from lowcloud.engine import FileEntry


def store(cloud: Cloud, job: Job) -> str:
    """Store every output, and return where the first lies: "s3://bucket/key"; "" where there is none.

    Raises CloudError and Closing.
    """
    stored = ""
    for output in job.specification.outputs:
        if output.is_archive:
            _store_archive(cloud, job, output)
        else:
            _store_files(cloud, job, output, is_final=True)
        stored = stored or f"s3://{output.bucket}/{output.prefix}"
    return stored


def store_changes(cloud: Cloud, job: Job, is_final: bool) -> None:
    """Store what has changed of checkpoints and continuous outputs.

    A file is stored once it has stayed the same between two looks, or at once where this is the final look.
    """
    asked = job.specification
    live = [output for output in asked.outputs if output.is_continuous]
    if asked.checkpoints:
        live.append(asked.checkpoints)
    for output in live:
        _store_files(cloud, job, output, is_final)


def _store_archive(cloud: Cloud, job: Job, output: Output) -> None:
    ranks = range(job.specification.instance_count)
    if output.is_optional and not any(cloud.engine.listing(job.work_id, rank, output.folder) for rank in ranks):
        return
    objects.put(cloud, output.bucket, output.prefix, _archive(cloud, job, output))


def _archive(cloud: Cloud, job: Job, output: Output) -> Iterator[bytes]:
    """The folder, packed. Raises Invalid where the program has left it so that it cannot be."""
    try:
        for chunk in cloud.engine.archive(job.work_id, output.folder):
            if cloud.closing.is_set():
                raise Closing
            yield chunk
    except OSError as error:
        raise Invalid(f"the program's {output.name} folder cannot be read: {error.strerror or error}.") from error


def _store_files(cloud: Cloud, job: Job, output: Output, is_final: bool) -> None:
    for rank in range(job.specification.instance_count):
        for entry in cloud.engine.listing(job.work_id, rank, output.folder):
            file = (rank, output.folder, entry.path)
            if cloud.synced.should_store(job.work_id, file, entry, is_final):
                _store_file(cloud, job, rank, output, entry)
                cloud.synced.note(job.work_id, file, entry)


def _store_file(cloud: Cloud, job: Job, rank: int, output: Output, entry: FileEntry) -> None:
    def read() -> Iterator[bytes]:
        for chunk in cloud.engine.read(job.work_id, rank, f"{output.folder}/{entry.path}"):
            if cloud.closing.is_set():
                raise Closing
            yield chunk

    prefix = output.prefix.rstrip("/")
    key = f"{prefix}/{entry.path}" if prefix else entry.path
    try:
        objects.put(cloud, output.bucket, key, read())
    except FileNotFoundError:
        return  # the program has removed it meanwhile
    except OSError as error:
        raise Invalid(f"{output.folder}/{entry.path} cannot be read: {error.strerror or error}.") from error
