"""The outputs of a job: stored at its end, and checkpoints and continuous outputs also while it runs."""

from collections.abc import Callable, Iterator
from contextlib import suppress

from lowcloud.core.context import Context, ShuttingDownError
from lowcloud.core.errors import CloudError, InvalidError, NotFoundError, StorageUnavailableError
from lowcloud.core.identity.object_access import ObjectAccess
from lowcloud.core.jobs.cancellation import CancelledError, checker
from lowcloud.core.jobs.jobs import Job, Output
from lowcloud.core.staging.output_sync import StoredFiles
from lowcloud.engine.work import FileEntry

Check = Callable[[], None]  # is called repeatedly, and raises to abandon the operation in progress


def store(context: Context, job: Job) -> str:
    """Store every output, and return where the first is: "s3://bucket/key"; "" if there is none.

    Raises CloudError and ShuttingDownError.
    """
    stored = ""
    for output in job.specification.outputs:
        if output.is_archive:
            _store_archive(context, job, output)
        else:
            _store_files(context, job, output)
        stored = stored or output.uri
    store_last(context, job)
    return stored


def store_changes(context: Context, job: Job) -> None:
    """Store what has changed of checkpoints and continuous outputs of a running program.

    A file is stored once it has stayed the same for a while. One that cannot be stored is skipped: the program goes
    on, and at its end either the file can be stored, or the job fails with the reason. Raises ShuttingDownError.
    """
    live = _live(job)
    stored = context.memory.get(StoredFiles)
    if not live or not stored.is_scan_due(job.work_id):
        return
    check = checker(context, job)
    with stored.scanning(job.work_id):
        for output in live:
            with suppress(CloudError, CancelledError):
                _store_files(context, job, output, check)


def store_last(context: Context, job: Job) -> None:
    """Store what has changed of checkpoints and continuous outputs of a program that has ended.

    Raises CloudError, after everything is stored that can be, and ShuttingDownError.
    """
    for output in _live(job):
        _store_files(context, job, output)


def _store(context: Context, job: Job) -> ObjectAccess:
    """Return the object store as the job's role sees it. Raises NotFoundError for a role that has been deleted."""
    return ObjectAccess.of_role(context, job.specification.role, job.kind.role_session)


def _live(job: Job) -> list[Output]:
    """Return the outputs that are stored while the program runs."""
    requested = job.specification
    live = [output for output in requested.outputs if output.is_continuous]
    return [*live, requested.checkpoints] if requested.checkpoints else live


def _store_archive(context: Context, job: Job, output: Output) -> None:
    ranks = range(job.specification.instance_count)
    if output.is_optional and not any(context.engine.list_files(job.work_id, rank, output.folder) for rank in ranks):
        return
    _store(context, job).put(output.bucket, output.prefix, _archive(context, job, output))


def _archive(context: Context, job: Job, output: Output) -> Iterator[bytes]:
    """Yield the folder as an archive. Raises InvalidError if it cannot be read."""
    try:
        for chunk in context.engine.archive(job.work_id, output.folder):
            if context.closing.is_set():
                raise ShuttingDownError
            yield chunk
    except OSError as error:
        raise InvalidError(f"the program's {output.name} folder cannot be read: {error.strerror or error}.") from error


def _store_files(context: Context, job: Job, output: Output, check: Check | None = None) -> None:
    """Store the files that have changed; without `check`, those of a program that has ended.

    Raises the first error of a file, such as a name that no key can have, after all others are stored.
    """
    stored = context.memory.get(StoredFiles)
    first_error: CloudError | None = None
    for rank in range(job.specification.instance_count):
        for entry in _listing(context, job, rank, output):
            file = (rank, output.folder, entry.path)
            if not stored.should_store(job.work_id, file, entry, is_final=check is None):
                continue
            try:
                _store_file(context, job, rank, output, entry, check)
                stored.add(job.work_id, file, entry)
            except (StorageUnavailableError, NotFoundError):  # which the next file would raise as well
                raise
            except CloudError as error:
                first_error = first_error or error
    if first_error is not None:
        raise first_error


def _listing(context: Context, job: Job, rank: int, output: Output) -> tuple[FileEntry, ...]:
    try:
        return context.engine.list_files(job.work_id, rank, output.folder)
    except OSError as error:
        raise InvalidError(
            f"the program's {output.folder} folder cannot be read: {error.strerror or error}."
        ) from error


def _store_file(context: Context, job: Job, rank: int, output: Output, entry: FileEntry, check: Check | None) -> None:
    def read() -> Iterator[bytes]:
        for chunk in context.engine.stream_file(job.work_id, rank, f"{output.folder}/{entry.path}"):
            if context.closing.is_set():
                raise ShuttingDownError
            if check:
                check()
            yield chunk

    prefix = output.prefix.rstrip("/")
    key = f"{prefix}/{entry.path}" if prefix else entry.path
    try:
        key.encode()
    except UnicodeEncodeError as error:
        raise InvalidError(
            f"the file name {entry.path!r} in {output.folder} is not UTF-8, and keys must be. Rename it."
        ) from error
    try:
        _store(context, job).put(output.bucket, key, read())
    except FileNotFoundError:
        return  # the program has removed it in the meantime
    except OSError as error:
        raise InvalidError(f"{output.folder}/{entry.path} cannot be read: {error.strerror or error}.") from error
