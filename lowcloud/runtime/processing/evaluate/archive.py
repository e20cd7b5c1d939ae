"""A model artifact into a folder: regular files alone, inside the folder, and no more than fits."""

import tarfile
import zlib
from pathlib import Path, PurePosixPath

from lowcloud.runtime.errors import ClientError

BYTES = 64 << 30
MEMBERS = 100_000
PIECE = 1 << 20


def unpack(archive: Path, folder: Path) -> None:
    """Lay the archive's regular files below the folder; links and devices are passed over. Raises ClientError."""
    left = BYTES
    try:
        with tarfile.open(archive, "r:*") as members:
            for count, member in enumerate(members):
                if count >= MEMBERS:
                    raise ClientError(f"{archive.name} has more than {MEMBERS} entries.")
                if not member.isreg():
                    continue
                path = PurePosixPath(member.name)
                if path.is_absolute() or ".." in path.parts:
                    raise ClientError(f"{archive.name} has an entry outside its own folder: {member.name[:80]!r}.")
                left -= member.size
                if left < 0:
                    raise ClientError(f"{archive.name} unpacks to more than {BYTES >> 30} GiB.")
                _copy(members, member, folder / path)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise ClientError(f"{archive.name} is no readable model artifact ({error}).") from None


def _copy(members: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    content = members.extractfile(member)
    assert content is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        while piece := content.read(PIECE):
            file.write(piece)
