"""Stages a replica's folder: writes its small files, inputs and unpacked archives."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from pathlib import Path, PurePosixPath

from lowcloud import contract
from lowcloud.engine.archives import Member, Members, MemberType, UnreadableArchiveError
from lowcloud.engine.local.inputs.folder import Folder, opened, translate_os_errors
from lowcloud.engine.local.replica import Owner
from lowcloud.engine.work import Fetch, Input, Replica, StagingError

EMPTY_FOLDERS = (  # programs expect them to exist
    contract.DATA,
    contract.MODEL,
    contract.OUTPUT_DATA,
    contract.OUTPUT_INTERMEDIATE,
)
THREADS = 4
PARALLEL_MIN_BYTES = 8 << 20  # smaller inputs are staged in one thread
BATCH = 64  # inputs that a thread stages one after the other
ARCHIVE_MEMBERS = 1_000_000
ARCHIVE_RATIO = 200  # limit of uncompressed to compressed bytes; real models stay below 20
ARCHIVE_ALLOWANCE_BYTES = 1 << 30


def stage_files(replica: Replica, base: Path, fetch: Fetch, owner: Owner) -> None:
    """Fill the new folder `base` with files that belong to `owner`. Raises StagingError."""
    with opened(base, owner) as folder:
        for path in (*EMPTY_FOLDERS, *replica.folders):
            folder.create(path)
        for path, text in replica.files.items():
            folder.write(path, iter((text.encode(),)))
        for lazy in replica.lazy_folders:
            folder.create(lazy.path)
        for stream in replica.streams:
            folder.create(str(PurePosixPath(stream.path).parent))
        _stage_inputs(replica.inputs, base, fetch, owner)
        for item in replica.archives:
            _unpack(item, folder, fetch)


def _stage_inputs(inputs: Sequence[Input], base: Path, fetch: Fetch, owner: Owner) -> None:
    """Stage the inputs, several at a time: while one waits for the disk, another is decrypted."""

    def stage_batch(batch: Sequence[Input]) -> None:
        with opened(base, owner) as folder:
            for item in batch:
                with translate_os_errors(item.path):
                    chunks = fetch(item.source)
                size = folder.write(item.path, chunks)
                if size != item.size_bytes:
                    raise StagingError(f"{item.source} has {size} bytes; {item.size_bytes} were expected.")

    if len(inputs) <= BATCH and sum(item.size_bytes for item in inputs) <= PARALLEL_MIN_BYTES:
        stage_batch(inputs)
        return
    length = min(BATCH, -(-len(inputs) // THREADS))
    batches = [inputs[start : start + length] for start in range(0, len(inputs), length)]
    pool = ThreadPoolExecutor(min(THREADS, len(batches)), "staging")
    try:
        for _ in pool.map(stage_batch, batches):
            pass
    finally:
        pool.shutdown(cancel_futures=True)


def _unpack(item: Input, folder: Folder, fetch: Fetch) -> None:
    folder.create(item.path)
    members = Members(fetch(item.source), ARCHIVE_ALLOWANCE_BYTES + ARCHIVE_RATIO * item.size_bytes, ARCHIVE_MEMBERS)
    try:
        with translate_os_errors(item.path):
            for member in members:
                _write_member(members, member, item.path, folder)
    except UnreadableArchiveError as error:
        raise StagingError(f"{item.source} was not unpacked: {error}.") from error


def _write_member(members: Members, member: Member, within: str, folder: Folder) -> None:
    if member.type == MemberType.FOLDER and not member.name.strip("/"):
        return  # an entry for the archive's root folder, as written by the SageMaker SDK's repacking
    if member.name.startswith("/"):
        raise StagingError(f"The archive member {member.name!r} is an absolute path.")
    path = f"{within}/{member.name}"
    if member.type == MemberType.FOLDER:
        folder.create(path)
    elif member.type == MemberType.SYMBOLIC_LINK:
        _check_link(member)
        folder.link(path, member.linkname)
    elif member.type == MemberType.HARD_LINK:
        if member.linkname.startswith("/"):
            raise _link_error(member)
        folder.hard_link(path, f"{within}/{member.linkname}")
    else:
        folder.write(path, members.content(member), 0o755 if member.mode & 0o100 else 0o644)


def _check_link(member: Member) -> None:
    """Refuse ".." except at the beginning and up to the archive's root: then no chain of links leads out."""
    target = PurePosixPath(member.linkname).parts
    levels_up = len(list(takewhile(lambda part: part == "..", target)))
    depth = len(PurePosixPath(member.name).parts) - 1
    if member.linkname.startswith("/") or levels_up > depth or ".." in target[levels_up:]:
        raise _link_error(member)


def _link_error(member: Member) -> StagingError:
    return StagingError(f"The archive member {member.name!r} links to {member.linkname!r}, outside of the archive.")
