"""A PostgreSQL server of the tests' own: in a temporary folder, on a unix socket and a port of the loopback."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
import pytest

STARTUP_SECONDS = 60
PASSWORD = "a-password-for-tests-only"
INSTALLED = "usr/lib/postgresql/*/bin"  # where Debian has it; other systems have it in PATH

# What a test process that is killed leaves behind: its end of the pipe closes however it ends.
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
        """How a client names a database, by the socket."""
        return f"postgresql://lowcloud@/{database}?host={self.folder}&port={self.port}"

    def loopback_url(self, database: str, password: str | None = PASSWORD) -> str:
        """How a client names a database, by the loopback."""
        secret = "" if password is None else f":{password}"
        return f"postgresql://lowcloud{secret}@127.0.0.1:{self.port}/{database}"

    def new_database(self, options: str = "") -> str:
        """The url of an empty database."""
        name = f"test{next(self.numbers)}"
        self.execute(f"CREATE DATABASE {name} {options}")
        return self.url(name)

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement as the superuser."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def dump(self, url: str) -> bytes:
        """What pg_dump makes of a database."""
        return subprocess.run([_program("pg_dump"), url], capture_output=True, check=True).stdout

    def restore(self, dumped: bytes, url: str) -> None:
        """Fill an empty database with it."""
        command = [_program("psql"), "--quiet", "--set", "ON_ERROR_STOP=1", "--output", os.devnull, url]
        subprocess.run(command, input=dumped, check=True)

    def start(self, *settings: str) -> None:
        """Start, or start again, and wait until connections are taken."""
        command = [_program("postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder)]
        command += ["-p", str(self.port), "-c", "listen_addresses=127.0.0.1", *settings]
        with (self.folder / "log").open("ab") as log:
            self.process = _popen(command, self.folder, stdout=log, stderr=log)
        deadline = time.monotonic() + STARTUP_SECONDS
        while not self._takes_connections():
            assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, "PostgreSQL did not start in time"
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """End it: SIGQUIT as a crash would, SIGINT with a checkpoint."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(STARTUP_SECONDS)
            self.process = None

    def remove(self) -> None:
        """End it and delete its folder."""
        self.stop()
        self.janitor.communicate()

    def _takes_connections(self) -> bool:
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


def start_server() -> PostgresServer:
    """A new server with no databases of ours."""
    memory = Path("/dev/shm")  # a sync costs nothing there; that the disk keeps its word is not what these tests test
    initdb = _program("initdb")
    folder = Path(tempfile.mkdtemp(prefix="lowcloud-postgres-", dir=memory if os.access(memory, os.W_OK) else None))
    folder.chmod(0o755)
    password = folder / "password"
    password.write_text(PASSWORD)
    if os.geteuid() == 0:  # as which PostgreSQL refuses to run
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


def _popen(command: Sequence[str], folder: Path, **streams: object) -> subprocess.Popen[bytes]:
    who = {}
    if os.geteuid() == 0:
        user, group = _user()
        who = {"user": user, "group": group, "extra_groups": []}
    return subprocess.Popen(command, cwd=folder, start_new_session=True, **streams, **who)  # type: ignore[call-overload]


def _user() -> tuple[int, int]:
    found = pwd.getpwnam("nobody")
    return found.pw_uid, found.pw_gid


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
