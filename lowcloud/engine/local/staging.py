"""Lays what a replica starts with into its folder: small files, inputs and unpacked archives."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from pathlib import Path, PurePosixPath

from lowcloud import contract
from lowcloud.engine.archives import Entry, EntryType, Members, UnreadableArchiveError
from lowcloud.engine.local.folder import Folder, failing_clearly, opened
from lowcloud.engine.local.replica import Owner
from lowcloud.engine.work import Fetch, Input, Replica, StagingError

EMPTY_FOLDERS = (  # programs expect them to be there
    contract.DATA,
    contract.MODEL,
    contract.OUTPUT_DATA,
    contract.OUTPUT_INTERMEDIATE,
)
THREADS = 4
SMALL_BYTES = 8 << 20  # not worth a thread
BATCH = 64  # inputs that a thread lays one after the other
ARCHIVE_MEMBERS = 1_000_000
ARCHIVE_RATIO = 200  # unpacked bytes for each packed one; real models stay below 20
ARCHIVE_ALLOWANCE_BYTES = 1 << 30


def lay(replica: Replica, base: Path, fetch: Fetch, owner: Owner) -> None:
    """Fill the new folder `base`; all in it belongs to `owner`. Raises StagingError."""
    with opened(base, owner) as folder:
        for path in (*EMPTY_FOLDERS, *replica.folders):
            folder.make(path)
        for path, text in replica.files.items():
            folder.write(path, iter((text.encode(),)))
        for lazy in replica.lazy_folders:
            folder.make(lazy.path)
        for stream in replica.streams:
            folder.make(str(PurePosixPath(stream.path).parent))
        _lay_inputs(replica.inputs, base, fetch, owner)
        for item in replica.archives:
            _unpack(item, folder, fetch)


def _lay_inputs(inputs: Sequence[Input], base: Path, fetch: Fetch, owner: Owner) -> None:
    """Lay the inputs, several at once: while one waits for the disk, another is decrypted."""

    def lay_batch(batch: Sequence[Input]) -> None:
        with opened(base, owner) as folder:
            for item in batch:
                with failing_clearly(item.path):
                    chunks = fetch(item.source)
                size = folder.write(item.path, chunks)
                if size != item.size_bytes:
                    raise StagingError(f"{item.source} gave {size} bytes where {item.size_bytes} were expected.")

    if len(inputs) <= BATCH and sum(item.size_bytes for item in inputs) <= SMALL_BYTES:
        lay_batch(inputs)
        return
    length = min(BATCH, -(-len(inputs) // THREADS))
    batches = [inputs[start : start + length] for start in range(0, len(inputs), length)]
    pool = ThreadPoolExecutor(min(THREADS, len(batches)), "laying")
    try:
        for _ in pool.map(lay_batch, batches):
            pass
    finally:
        pool.shutdown(cancel_futures=True)


def _unpack(item: Input, folder: Folder, fetch: Fetch) -> None:
    folder.make(item.path)
    members = Members(fetch(item.source), ARCHIVE_ALLOWANCE_BYTES + ARCHIVE_RATIO * item.size_bytes, ARCHIVE_MEMBERS)
    try:
        with failing_clearly(item.path):
            for member in members:
                _lay_member(members, member, item.path, folder)
    except UnreadableArchiveError as error:
        raise StagingError(f"{item.source} was not unpacked: {error}.") from error


def _lay_member(members: Members, member: Entry, within: str, folder: Folder) -> None:
    if member.kind == EntryType.FOLDER and not member.name.strip("/"):
        return  # the archive's own folder, which the SDK's repacking names so
    if member.name.startswith("/"):
        raise StagingError(f"The archive member {member.name!r} is an absolute path.")
    path = f"{within}/{member.name}"
    if member.kind == EntryType.FOLDER:
        folder.make(path)
    elif member.kind == EntryType.SYMBOLIC_LINK:
        _refuse_link_out(member)
        folder.link(path, member.linkname)
    elif member.kind == EntryType.HARD_LINK:
        if member.linkname.startswith("/"):
            raise _leads_out(member)
        folder.link_hard(path, f"{within}/{member.linkname}")
    else:
        folder.write(path, members.content(member), 0o755 if member.mode & 0o100 else 0o644)


def _refuse_link_out(member: Entry) -> None:
    """Let a link climb at its beginning alone, and no higher than its archive: then no chain of links leads out."""
    target = PurePosixPath(member.linkname).parts
    climbs = len(list(takewhile(lambda part: part == "..", target)))
    depth = len(PurePosixPath(member.name).parts) - 1
    if member.linkname.startswith("/") or climbs > depth or ".." in target[climbs:]:
        raise _leads_out(member)


def _leads_out(member: Entry) -> StagingError:
    return StagingError(f"The archive member {member.name!r} links to {member.linkname!r}, outside of the archive.")
