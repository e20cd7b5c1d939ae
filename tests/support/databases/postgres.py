"""A PostgreSQL server for tests, in a temporary folder, on a Unix socket and a port of the loopback."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.waiting import wait_for

STARTUP_SECONDS = 60
PASSWORD = "a-password-for-tests-only"
INSTALLED = "usr/lib/postgresql/*/bin"  # where Debian installs it; on other systems it is in PATH

# Removes what a killed test process leaves behind: its end of the pipe closes however it ends.
CLEAR_UP = 'cat; [ -e "$1/data/postmaster.pid" ] && kill -QUIT "$(head -n 1 "$1/data/postmaster.pid")"; rm -rf "$1"'


@dataclass
class PostgresServer:
    """A server and its databases. The user `lowcloud` needs a password on the loopback and none on the socket."""

    folder: Path
    port: int
    janitor: subprocess.Popen[bytes]
    process: subprocess.Popen[bytes] | None = None
    numbers: "count[int]" = field(default_factory=count)

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database, over the socket."""
        return f"postgresql://lowcloud@/{database}?host={self.folder}&port={self.port}"

    def loopback_url(self, database: str, password: str | None = PASSWORD) -> str:
        """Return the URL of a database, over the loopback."""
        secret = "" if password is None else f":{password}"
        return f"postgresql://lowcloud{secret}@127.0.0.1:{self.port}/{database}"

    def new_database(self, options: str = "") -> str:
        """Create an empty database and return its URL."""
        name = f"test{next(self.numbers)}"
        self.execute(f"CREATE DATABASE {name} {options}")
        return self.url(name)

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement as the superuser."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def dump(self, url: str) -> bytes:
        """Return the dump of a database."""
        return subprocess.run([_program("pg_dump"), url], capture_output=True, check=True).stdout

    def restore(self, dumped: bytes, url: str) -> None:
        """Fill an empty database from a dump."""
        command = [_program("psql"), "--quiet", "--set", "ON_ERROR_STOP=1", "--output", os.devnull, url]
        subprocess.run(command, input=dumped, check=True)

    def start(self, *settings: str) -> None:
        """Start, or start again, and wait until the server accepts connections."""
        command = [_program("postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder)]
        command += ["-p", str(self.port), "-c", "listen_addresses=127.0.0.1", *settings]
        with (self.folder / "log").open("ab") as log:
            self.process = _popen(command, self.folder, stdout=log, stderr=log)
        wait_for(self._takes_connections, STARTUP_SECONDS)

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """Stop the server: with SIGQUIT as in a crash, with SIGINT after a checkpoint."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(STARTUP_SECONDS)
            self.process = None

    def remove(self) -> None:
        """Stop the server and delete its folder."""
        self.stop()
        self.janitor.communicate()

    def _takes_connections(self) -> bool:
        assert self.process and self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


def start_server() -> PostgresServer:
    """Start a new server without databases."""
    memory = Path("/dev/shm")  # where a sync costs nothing: these tests do not test the disk
    initdb = _program("initdb")
    folder = Path(tempfile.mkdtemp(prefix="lowcloud-postgres-", dir=memory if os.access(memory, os.W_OK) else None))
    folder.chmod(0o755)
    password = folder / "password"
    password.write_text(PASSWORD)
    if os.geteuid() == 0:
        os.chown(folder, *_user())
    command = [initdb, "-D", str(folder / "data"), "-U", "lowcloud", "--pwfile", str(password)]
    command += ["-A", "trust", "--auth-host=scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
    made = _popen(command, folder, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    assert made.wait(STARTUP_SECONDS) == 0
    janitor = subprocess.Popen(["sh", "-c", CLEAR_UP, "janitor", str(folder)], stdin=subprocess.PIPE)
    server = PostgresServer(folder, _free_port(), janitor)
    server.start()
    return server


def _program(name: str) -> str:
    found = shutil.which(name, path=_path())
    if found is None:
        pytest.skip("PostgreSQL is not installed; run scripts/install --tests")
    return found


def _path() -> str:
    return os.pathsep.join([*map(str, sorted(Path("/").glob(INSTALLED), reverse=True)), os.environ["PATH"]])


def _popen(command: Sequence[str], folder: Path, **options: Any) -> subprocess.Popen[bytes]:
    if os.geteuid() == 0:  # as which PostgreSQL refuses to run
        user, group = _user()
        options |= {"user": user, "group": group, "extra_groups": []}
    return subprocess.Popen(command, cwd=folder, start_new_session=True, **options)


def _user() -> tuple[int, int]:
    found = pwd.getpwnam("nobody")
    return found.pw_uid, found.pw_gid


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
