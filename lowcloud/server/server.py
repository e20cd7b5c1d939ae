"""The composition root: settings become a Cloud, the Cloud an ASGI app and a reconciler, in one process or a crew."""

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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from functools import partial

import uvicorn
import uvloop
from sqlalchemy.exc import DBAPIError

from lowcloud.api.aws.gateway import Gateway
from lowcloud.core.context import Context
from lowcloud.core.control import periodic_tasks
from lowcloud.core.control.leader_election import Leading
from lowcloud.core.control.reconciler import Kinds
from lowcloud.core.identity import roles
from lowcloud.core.jobs import lifecycle
from lowcloud.core.jobs.jobs import PROCESSING, TRAINING
from lowcloud.core.serving import endpoint_lifecycle
from lowcloud.core.staging import inputs
from lowcloud.core.storage.access import access_lists
from lowcloud.core.storage.objects import objects
from lowcloud.engine.local.engine import LocalEngine
from lowcloud.home import client_environment
from lowcloud.home.server_process import Running, address_of, hold_home, listen, listen_too
from lowcloud.home.settings import EXECUTION_ROLE, Settings, remember, remember_store
from lowcloud.server import worker_processes
from lowcloud.server.worker_processes import WorkerProcess
from lowcloud.store import store_identity
from lowcloud.store.blobs.encryption import KeyRing
from lowcloud.store.blobs.files import Files
from lowcloud.store.blobs.reserve import Reserve
from lowcloud.store.db import tables
from lowcloud.store.db.backend import UnusableStoreError
from lowcloud.store.db.database import Database

OPEN_FILES = 10_240  # as many as macOS takes
LONGEST_GOODBYE_SECONDS = 3  # requests still open when the server goes down get this long
KEEP_ALIVE_SECONDS = 75  # longer than clients keep theirs, so that none sends into a connection being closed
LOCK_PATIENCE_SECONDS = 1.0
POLL_SECONDS = 0.01
FOLLOWS = "another server of this store runs jobs and endpoints"

log = logging.getLogger("lowcloud.server")


class CannotOpenError(Exception):
    """The home's data cannot be opened; the message says why."""


def open_context(settings: Settings, endpoint: str = "") -> Context:
    """The cloud of a home, made where there is none. Raises UnusableStoreError, OSError and DBAPIError.

    `endpoint` is where it will answer.
    """
    _check_choice(settings)
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
            files=Files(settings.data / "objects", keys),
            reserve=Reserve(settings.data / "reserve"),
            engine=LocalEngine(settings.work, fetch, readable_folders=(client_environment.folder(settings.home),)),
            endpoint=endpoint,
        )
        roles.ensure(context, EXECUTION_ROLE)
    except BaseException:
        database.close()
        raise
    remember_store(settings)
    return context


# What the reconciler carries forward, and how.
KINDS: Kinds = {
    tables.training_jobs: partial(lifecycle.advance, TRAINING),
    tables.processing_jobs: partial(lifecycle.advance, PROCESSING),
    tables.endpoints: endpoint_lifecycle.advance,
    tables.errands: periodic_tasks.advance,
}


def serve(settings: Settings, workers: int, on_ready: Callable[[Running], None]) -> None:
    """Serve until SIGTERM or SIGINT, with so many processes.

    Raises AlreadyRunning, CannotListen and CannotOpenError.
    """
    with hold_home(settings.home, LOCK_PATIENCE_SECONDS):
        (settings.home / "server.json").unlink(missing_ok=True)  # first: a killed server left it, and others read it
        listener = listen(settings.host, settings.port)
        allow_open_files()
        if workers == 1:
            _lead(settings, listener, os.getpid(), None, on_ready)
            return
        parent = os.getpid()
        Gateway.load_models()  # once, for all

        def work(member: WorkerProcess) -> None:
            if member.is_first:
                _lead(settings, listener, parent, member, on_ready)
            else:
                _assist(settings, listen_too(listener), member)

        worker_processes.run(workers, work)


def allow_open_files() -> None:
    """Let this process have a connection and a blob open for each of many slow uploads; shells allow far fewer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _lead(
    settings: Settings,
    listener: socket.socket,
    known_as: int,
    member: WorkerProcess | None,
    on_ready: Callable[[Running], None],
) -> None:
    """Serve, and stand for carrying jobs forward. `known_as` is the process that others signal."""
    context = _open_context(settings, address_of(listener))
    remember(settings)  # only now: what the store refuses is not what others should read
    client_environment.lay_files(settings.home)
    periodic_tasks.ensure(context)
    leading = Leading(context, KINDS)
    leading.start()
    threading.Thread(target=_sweep, args=(context,), name="sweep", daemon=True).start()

    def ready() -> None:
        on_ready(_announce(context, leading, listener, known_as))
        if leading.leads:
            context.engine.warm_up()
        if member is not None:
            member.tell_ready()

    if member is not None:
        member.listen(context.bell.ring)
    try:
        uvloop.run(_serve(context, listener, ready))
    finally:
        _close(context, leading)


def _assist(settings: Settings, listener: socket.socket, member: WorkerProcess) -> None:
    """Serve, and tell the first of the crew what is due."""
    context = _open_context(settings, address_of(listener))
    context.bell.listen(member.ring)
    try:
        uvloop.run(_serve(context, listener, lambda: None))
    finally:
        context.database.close()


def _open_context(settings: Settings, endpoint: str) -> Context:
    try:
        return open_context(settings, endpoint)
    except UnusableStoreError as error:
        raise CannotOpenError(str(error)) from error
    except (OSError, DBAPIError) as error:
        raise CannotOpenError(f"{settings.home} cannot be opened: {error}") from error


def _check_choice(settings: Settings) -> None:
    """Raises UnusableStoreError where what is asked for would hide what the home holds, or cannot be shared."""
    if settings.database and settings.database_file.exists():
        raise UnusableStoreError(
            f"{settings.data} holds a store whose database is a file. Choose another home for a store in PostgreSQL, "
            "with --home."
        )
    if settings.store and not settings.database:
        raise UnusableStoreError(
            f"The store of {settings.store} is in a file, which serves one home. Give it PostgreSQL."
        )


def _close(context: Context, leading: Leading) -> None:
    with ExitStack() as steps:  # the last first, and each even where one before it fails
        steps.callback((context.settings.home / "server.json").unlink, missing_ok=True)
        steps.callback(leading.close)
        steps.callback(context.database.close)
        steps.callback(context.engine.close)
        if leading.stop():  # else another server carries on
            endpoint_lifecycle.suspend(context)


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals alone: its own would end the process before the engine is told."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def end(self) -> None:
        """Begin to shut down."""
        self.should_exit = True


async def _serve(context: Context, listener: socket.socket, on_ready: Callable[[], None]) -> None:
    gateway = Gateway(context)
    configuration = uvicorn.Config(
        gateway,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        proxy_headers=False,
        timeout_graceful_shutdown=LONGEST_GOODBYE_SECONDS,
    )
    server = _Server(configuration)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, server.end)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not serving.done():
        await asyncio.sleep(POLL_SECONDS)
    if server.started:
        on_ready()
        gateway.warm()
    await serving
    await context.connections.close()
    gateway.close()


def _sweep(context: Context) -> None:
    try:
        context.reserve.fill()
    except OSError as error:
        log.warning("no room is held back for deletions on a full disk: %s", error)
    if deleted := objects.sweep(context):
        log.info("deleted %d blobs that an earlier server had not finished", deleted)
    access_lists.sweep(context)


def _announce(context: Context, leading: Leading, listener: socket.socket, known_as: int) -> Running:
    isolation = context.engine.isolation() if leading.leads else FOLLOWS
    running = Running(known_as, address_of(listener), time.time(), isolation, sys.prefix)
    path = context.settings.home / "server.json"
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(asdict(running)))
    draft.rename(path)
    return running
