"""What a job leaves: its outputs stored at its end, and its checkpoints and continuous outputs while it runs."""

from collections.abc import Callable, Iterator
from contextlib import suppress

from lowcloud.core.context import Context, ShuttingDownError
from lowcloud.core.errors import CloudError, InvalidError, NotFoundError, StorageUnavailableError
from lowcloud.core.jobs.cancellation import CancelledError, looking_after
from lowcloud.core.jobs.jobs import Job, Output
from lowcloud.core.storage.objects import objects
from lowcloud.engine.work import FileEntry

Look = Callable[[], None]  # is called now and then, and may raise to leave what is under way


def store(context: Context, job: Job) -> str:
    """Store every output, and return where the first lies: "s3://bucket/key"; "" where there is none.

    Raises CloudError and ShuttingDownError.
    """
    stored = ""
    for output in job.specification.outputs:
        if output.is_archive:
            _store_archive(context, job, output)
        else:
            _store_files(context, job, output)
        stored = stored or f"s3://{output.bucket}/{output.prefix}"
    store_last(context, job)
    return stored


def store_changes(context: Context, job: Job) -> None:
    """Store what has changed of checkpoints and continuous outputs of a program that runs.

    A file is stored once it has stayed the same for a while. Whatever cannot be stored is left: the program goes
    on, and at its end either it can, or the job ends with the reason. Raises Closing.
    """
    live = _live(job)
    if not live or not context.synced.is_due(job.work_id):
        return
    look = looking_after(context, job)
    with context.synced.looking(job.work_id):
        for output in live:
            with suppress(CloudError, CancelledError):
                _store_files(context, job, output, look)


def store_last(context: Context, job: Job) -> None:
    """Store what has changed of checkpoints and continuous outputs of a program that has ended.

    Raises CloudError, once all is stored that can be, and ShuttingDownError.
    """
    for output in _live(job):
        _store_files(context, job, output)


def _live(job: Job) -> list[Output]:
    """The outputs that are stored while the program runs."""
    asked = job.specification
    live = [output for output in asked.outputs if output.is_continuous]
    return [*live, asked.checkpoints] if asked.checkpoints else live


def _store_archive(context: Context, job: Job, output: Output) -> None:
    ranks = range(job.specification.instance_count)
    if output.is_optional and not any(context.engine.list_files(job.work_id, rank, output.folder) for rank in ranks):
        return
    objects.put(context, output.bucket, output.prefix, _archive(context, job, output))


def _archive(context: Context, job: Job, output: Output) -> Iterator[bytes]:
    """The folder, packed. Raises Invalid where the program has left it so that it cannot be."""
    try:
        for chunk in context.engine.archive(job.work_id, output.folder):
            if context.closing.is_set():
                raise ShuttingDownError
            yield chunk
    except OSError as error:
        raise InvalidError(f"the program's {output.name} folder cannot be read: {error.strerror or error}.") from error


def _store_files(context: Context, job: Job, output: Output, look: Look | None = None) -> None:
    """Store the files that have changed, at the end of the program where nobody looks meanwhile.

    Raises the first fault of a file, such as a name that no key can have, after all others are stored.
    """
    fault: CloudError | None = None
    for rank in range(job.specification.instance_count):
        for entry in _listing(context, job, rank, output):
            file = (rank, output.folder, entry.path)
            if not context.synced.should_store(job.work_id, file, entry, is_final=look is None):
                continue
            try:
                _store_file(context, job, rank, output, entry, look)
                context.synced.note(job.work_id, file, entry)
            except (StorageUnavailableError, NotFoundError):  # which the next file would meet as well
                raise
            except CloudError as error:
                fault = fault or error
    if fault is not None:
        raise fault


def _listing(context: Context, job: Job, rank: int, output: Output) -> tuple[FileEntry, ...]:
    try:
        return context.engine.list_files(job.work_id, rank, output.folder)
    except OSError as error:
        raise InvalidError(
            f"the program's {output.folder} folder cannot be read: {error.strerror or error}."
        ) from error


def _store_file(context: Context, job: Job, rank: int, output: Output, entry: FileEntry, look: Look | None) -> None:
    def read() -> Iterator[bytes]:
        for chunk in context.engine.stream_file(job.work_id, rank, f"{output.folder}/{entry.path}"):
            if context.closing.is_set():
                raise ShuttingDownError
            if look:
                look()
            yield chunk

    prefix = output.prefix.rstrip("/")
    key = f"{prefix}/{entry.path}" if prefix else entry.path
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise InvalidError(
            f"the file name {entry.path!r} in {output.folder} is not UTF-8, as keys are. Rename it."
        ) from error
    try:
        objects.put(context, output.bucket, key, read())
    except FileNotFoundError:
        return  # the program has removed it meanwhile
    except OSError as error:
        raise InvalidError(f"{output.folder}/{entry.path} cannot be read: {error.strerror or error}.") from error
