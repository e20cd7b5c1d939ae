"""Unpacks a model artifact: only regular files inside the folder, up to a size limit."""

import tarfile
import zlib
from pathlib import Path, PurePosixPath

from lowcloud.runtime.errors import ClientError

MAX_BYTES = 64 << 30
MAX_MEMBERS = 100_000
READ_BYTES = 1 << 20


def unpack(archive: Path, folder: Path) -> None:
    """Write the archive's regular files to the folder; links and devices are skipped. Raises ClientError."""
    left = MAX_BYTES
    try:
        with tarfile.open(archive, "r:*") as members:
            for count, member in enumerate(members):
                if count >= MAX_MEMBERS:
                    raise ClientError(f"{archive.name} has more than {MAX_MEMBERS} entries.")
                if not member.isreg():
                    continue
                path = PurePosixPath(member.name)
                if path.is_absolute() or ".." in path.parts:
                    raise ClientError(f"{archive.name} has an entry outside of its folder: {member.name[:80]!r}.")
                left -= member.size
                if left < 0:
                    raise ClientError(f"{archive.name} unpacks to more than {MAX_BYTES >> 30} GiB.")
                _copy(members, member, folder / path)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise ClientError(f"{archive.name} is not a readable model artifact ({error}).") from None


def _copy(members: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    content = members.extractfile(member)
    assert content is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        while piece := content.read(READ_BYTES):
            file.write(piece)
