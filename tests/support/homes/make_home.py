"""Make the sample homes of this version: `python -m tests.support.homes.make_home VERSION`, once for each release."""

import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.support.databases.postgres import start_server
from tests.support.homes import homes
from tests.support.servers.server import Server


def make(version: str) -> None:
    """A home whose rows are in a file, and one whose rows are in PostgreSQL."""
    with tempfile.TemporaryDirectory(prefix="lowcloud-home-") as folder:
        _make(Path(folder) / "file", homes.HOMES / f"{version}.tar.gz")
        server = start_server()
        try:
            url = server.new_database()
            archive = homes.HOMES / f"{version}-postgresql.tar.gz"
            _make(Path(folder) / "postgresql", archive, "--database", url, dump=lambda: _portable(server.dump(url)))
        finally:
            server.remove()


def _make(home: Path, archive: Path, *options: str, dump: Callable[[], bytes] | None = None) -> None:
    cloud = Server(home)
    cloud.up(*options)
    try:
        homes.fill(cloud)
        expected = homes.observe(cloud)
    finally:
        cloud.down()
    homes.pack(home, archive, expected, dump() if dump else None)
    print(f"{archive}: {archive.stat().st_size} bytes")


def _portable(made: bytes) -> bytes:
    """Without the lines that only psql of the same minor release understands."""
    return re.sub(rb"^\\(un)?restrict .*\n", b"", made, flags=re.MULTILINE)


if __name__ == "__main__":
    make(sys.argv[1])
