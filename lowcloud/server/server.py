"""The composition root: creates a Context from settings, and from it the HTTP app and the reconciler.

One process does both, or the first of several worker processes does.
"""

import asyncio
import json
import logging
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

import uvicorn
import uvloop
from sqlalchemy.exc import DBAPIError

from lowcloud.api.aws import execution_role
from lowcloud.api.aws.gateway import Gateway
from lowcloud.core import kinds
from lowcloud.core.context import AccessCache, Context
from lowcloud.core.control import periodic_tasks
from lowcloud.core.control.leader_election import LeaderElection
from lowcloud.core.identity import roles
from lowcloud.core.maintenance import home_upgrade
from lowcloud.core.staging import inputs
from lowcloud.core.storage.access import access_lists
from lowcloud.core.storage.objects import objects
from lowcloud.engine.local.engine import LocalEngine
from lowcloud.engine.local.launch import isolation_record
from lowcloud.home import client_environment
from lowcloud.home.server_process import RECORD, RunningServer, address_of, listen, listen_again, lock_home
from lowcloud.home.settings import ENCRYPTION_KEY_FILE, EXECUTION_ROLE, Settings, save_account, save_port, save_store
from lowcloud.server import worker_processes
from lowcloud.server.health import HealthCheck
from lowcloud.server.http_protocol import HttpProtocol
from lowcloud.server.worker_processes import WorkerProcess
from lowcloud.store import store_identity
from lowcloud.store.blobs import disk
from lowcloud.store.blobs.encryption import KeyRing
from lowcloud.store.blobs.files import BlobStore
from lowcloud.store.blobs.reserve import DiskReserve
from lowcloud.store.db.backend import UnusableStoreError
from lowcloud.store.db.database import Database
from lowcloud.store.db.schema_check import UpgradeNeededError
from lowcloud.store.generation import Generation

OPEN_FILES = 10_240  # the maximum that macOS accepts
CONNECTION_GRACE_SECONDS = 3  # for requests that are in progress when the server shuts down
KEEP_ALIVE_SECONDS = 75  # longer than clients' own, so that none sends a request on a connection being closed
LOCK_TIMEOUT_SECONDS = 1.0
POLL_SECONDS = 0.01
TRIAL_SECONDS = 10.0  # that a start waits for the first trial of the isolation levels

log = logging.getLogger("lowcloud.server")


class CannotOpenError(Exception):
    """The home's data cannot be opened. The message gives the reason."""


def open_context(settings: Settings, endpoint: str = "") -> Context:
    """Open the store of a home, which is created if there is none; `endpoint` is the URL of the server.

    Raises UnusableStoreError, UpgradeNeededError, OSError and DBAPIError.
    """
    _check_database_choice(settings)
    keys = KeyRing(settings.encryption_key)
    database = Database(settings.database_url)
    context: Context

    def fetch(source: str, start: int = 0, end: int | None = None, /) -> Iterator[bytes]:
        return inputs.fetch(context, source, start, end)

    try:
        store_identity.ensure(database, keys, settings.data, settings.account_id)
        context = Context(
            settings=settings,
            database=database,
            keys=keys,
            files=BlobStore(settings.data / "objects", keys),
            reserve=DiskReserve(settings.data / "reserve"),
            kinds=kinds.discover(),
            access=AccessCache(Generation(settings.access_generation)),
            engine=LocalEngine(settings.work, fetch, readable_folders=(client_environment.folder(settings.home),)),
            endpoint=endpoint,
        )
        account_id = settings.account_id
        roles.ensure(
            context,
            EXECUTION_ROLE,
            execution_role.trust_policy(account_id),
            execution_role.POLICIES,
            execution_role.written_policies(account_id, EXECUTION_ROLE),
        )
    except BaseException:
        database.close()
        raise
    save_store(settings)
    return context


def serve(
    settings: Settings,
    workers: int,
    on_ready: Callable[[RunningServer], None],
    options: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Serve with this number of processes until SIGTERM or SIGINT; `options` are recorded, for those who ask.

    Raises AlreadyRunningError, CannotListenError and CannotOpenError.
    """
    with lock_home(settings.home, LOCK_TIMEOUT_SECONDS):
        _check_keys(settings)
        listener = listen(settings.host, settings.port)
        allow_open_files()
        if workers == 1:
            _run_first_worker(settings, listener, os.getpid(), None, on_ready, options)
            return
        parent = os.getpid()
        Gateway.load_models()  # once, before forking: the workers share the memory

        def work(worker: WorkerProcess) -> None:
            if worker.is_first:
                _run_first_worker(settings, listener, parent, worker, on_ready, options)
            else:
                _run_other_worker(settings, listen_again(listener), worker)

        worker_processes.run(workers, work)


def _check_keys(settings: Settings) -> None:
    """Raise CannotOpenError if the home's keys were replaced or deleted after they were read, before it was locked."""
    key = settings.store_home / ENCRYPTION_KEY_FILE
    if not key.exists() or key.read_bytes() != settings.encryption_key:
        raise CannotOpenError(f"The keys of {settings.store_home} have changed during the start. Start again.")


def allow_open_files() -> None:
    """Raise the limit of open files. Each of many slow uploads needs a connection and a blob, and shells allow few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def _run_first_worker(
    settings: Settings,
    listener: socket.socket,
    server_pid: int,
    worker: WorkerProcess | None,
    on_ready: Callable[[RunningServer], None],
    options: Mapping[str, str],
) -> None:
    """Serve requests, and run the reconciler if this server is the leader. `server_pid` is the process to signal."""
    with _space_to_start(settings):
        context = _open_context(settings, address_of(listener))
        save_account(settings)  # only now, so that settings which the store rejects are not saved
        save_port(settings, listener.getsockname()[1])
        if settings.isolation is not None and (worker is None or worker.readiness is not None):  # not a replacement
            isolation_record.choose(settings.store_home, settings.isolation)
        client_environment.write_files(settings.home)
        periodic_tasks.ensure(context)
        running = RunningServer(server_pid, address_of(listener), time.time(), sys.prefix, dict(options))
        record = _draft_record(settings, running)
        election = LeaderElection(context)
        election.start()
    threading.Thread(target=_clean_up, args=(context,), name="clean-up", daemon=True).start()

    def ready() -> None:
        if election.is_leader:
            context.engine.warm_up()
            context.engine.wait_until_ready(TRIAL_SECONDS)
        record.rename(settings.home / RECORD)
        with suppress(OSError, SystemExit):  # a full disk on which the output is; rich exits if nobody reads a pipe
            on_ready(running)
        if worker is not None:
            worker.report_ready()

    if worker is not None:
        worker.subscribe(context.wake.notify)
    try:
        uvloop.run(_serve(context, listener, ready))
    finally:
        _close(context, election)


def _run_other_worker(settings: Settings, listener: socket.socket, worker: WorkerProcess) -> None:
    """Serve requests, and notify the first worker of records that are due."""
    with _space_to_start(settings):
        context = _open_context(settings, address_of(listener))
    context.wake.subscribe(worker.notify_first)
    try:
        uvloop.run(_serve(context, listener, lambda: None))
    finally:
        context.database.close()


@contextmanager
def _space_to_start(settings: Settings) -> Iterator[None]:
    """Release the disk reserve on a full disk: a server starts there to read, and to delete what fills it."""
    if not disk.is_full(settings.data):
        yield
        return
    log.warning("the disk of %s is full: the server starts with the disk reserve", settings.data)
    with DiskReserve(settings.data / "reserve").lent():
        yield


def _open_context(settings: Settings, endpoint: str) -> Context:
    try:
        try:
            return open_context(settings, endpoint)
        except UpgradeNeededError:
            home_upgrade.upgrade_home(settings)
            return open_context(settings, endpoint)
    except UnusableStoreError as error:
        raise CannotOpenError(str(error)) from error
    except (OSError, DBAPIError) as error:
        raise CannotOpenError(f"{settings.home} cannot be opened: {error}") from error


def _check_database_choice(settings: Settings) -> None:
    """Raise UnusableStoreError if the chosen database would hide the home's data, or the store cannot be shared."""
    if settings.database and settings.database_file.exists():
        raise UnusableStoreError(
            f"{settings.data} already contains a store in SQLite. Choose another home for a store in PostgreSQL with "
            "--home."
        )
    if settings.store and not settings.database:
        raise UnusableStoreError(
            f"The store of {settings.store} is in SQLite, which only one home can serve. To share it, create it in "
            "PostgreSQL."
        )


def _close(context: Context, election: LeaderElection) -> None:
    with ExitStack() as steps:  # in reverse order, and each step even if an earlier one fails
        steps.callback((context.settings.home / RECORD).unlink, missing_ok=True)
        steps.callback(election.close)
        steps.callback(context.database.close)
        steps.callback(context.engine.close)
        if election.stop():  # otherwise another server takes over
            for kind in context.kinds:
                if kind.suspend:
                    kind.suspend(context)


class _Server(uvicorn.Server):
    """A uvicorn server without signal handlers: uvicorn's would end the process before the engine is closed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def shut_down_soon(self) -> None:
        """Begin a graceful shutdown."""
        self.should_exit = True


async def _serve(context: Context, listener: socket.socket, on_ready: Callable[[], None]) -> None:
    """Serve requests until a signal; `on_ready` is called in a thread."""
    gateway = Gateway(context)
    configuration = uvicorn.Config(
        HealthCheck(context, gateway),
        http=HttpProtocol,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        proxy_headers=False,
        timeout_graceful_shutdown=CONNECTION_GRACE_SECONDS,
    )
    server = _Server(configuration)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, server.shut_down_soon)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(POLL_SECONDS)
    if server.started:
        await asyncio.to_thread(on_ready)
        gateway.warm()
    await serving
    await context.connections.close()
    gateway.close()


def _clean_up(context: Context) -> None:
    """Fill the disk reserve, and delete what an earlier server left unfinished."""
    try:
        context.reserve.fill()
    except OSError as error:
        log.warning("no disk space is reserved for deletions on a full disk: %s", error)
    if deleted := objects.sweep(context):
        log.info("deleted %d unfinished blobs of an earlier server", deleted)
    access_lists.delete_orphans(context)


def _draft_record(settings: Settings, running: RunningServer) -> Path:
    """Write the record by which commands find this server. It counts once it is renamed, which takes no disk space."""
    draft = settings.home / f"{RECORD}.draft"
    draft.write_text(json.dumps(asdict(running)))
    return draft
