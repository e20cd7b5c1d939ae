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

from lowcloud import crew, wiring
from lowcloud.aws.gateway import Gateway
from lowcloud.client import EXECUTION_ROLE
from lowcloud.core import access_lists, endpoints_lifecycle, errands, inputs, jobs_lifecycle, objects, roles
from lowcloud.core.cloud import Cloud
from lowcloud.core.jobs import PROCESSING, TRAINING
from lowcloud.core.leading import Leading
from lowcloud.core.reconciler import Kinds
from lowcloud.crew import Member
from lowcloud.engine.local import LocalEngine
from lowcloud.running import Running, address_of, hold_home, listen, listen_too
from lowcloud.settings import Settings, remember, remember_store
from lowcloud.store import belonging, tables
from lowcloud.store.backend import CannotUse
from lowcloud.store.database import Database
from lowcloud.store.encryption import KeyRing
from lowcloud.store.files import Files
from lowcloud.store.reserve import Reserve

OPEN_FILES = 10_240  # as many as macOS takes
LONGEST_GOODBYE_SECONDS = 3  # requests still open when the server goes down get this long
KEEP_ALIVE_SECONDS = 75  # longer than clients keep theirs, so that none sends into a connection being closed
LOCK_PATIENCE_SECONDS = 1.0
POLL_SECONDS = 0.01
FOLLOWS = "another server of this store runs jobs and endpoints"

log = logging.getLogger("lowcloud.server")


class CannotOpen(Exception):
    """The home's data cannot be opened; the message says why."""


def open_cloud(settings: Settings, endpoint: str = "") -> Cloud:
    """The cloud of a home, made where there is none. Raises CannotUse, OSError and DBAPIError.

    `endpoint` is where it will answer.
    """
    _check_choice(settings)
    keys = KeyRing(settings.encryption_key)
    database = Database(settings.database_url)
    cloud: Cloud

    def fetch(source: str, start: int = 0, end: int | None = None, /) -> Iterator[bytes]:
        return inputs.fetch(cloud, source, start, end)

    try:
        belonging.ensure(database, keys, settings.data, settings.account_id)
        cloud = Cloud(
            settings=settings,
            database=database,
            keys=keys,
            files=Files(settings.data / "objects", keys),
            reserve=Reserve(settings.data / "reserve"),
            engine=LocalEngine(settings.work, fetch, shows=(wiring.folder(settings.home),)),
            endpoint=endpoint,
        )
        roles.ensure(cloud, EXECUTION_ROLE)
    except BaseException:
        database.close()
        raise
    remember_store(settings)
    return cloud


# What the reconciler carries forward, and how.
KINDS: Kinds = {
    tables.training_jobs: partial(jobs_lifecycle.advance, TRAINING),
    tables.processing_jobs: partial(jobs_lifecycle.advance, PROCESSING),
    tables.endpoints: endpoints_lifecycle.advance,
    tables.errands: errands.advance,
}


def serve(settings: Settings, workers: int, on_ready: Callable[[Running], None]) -> None:
    """Serve until SIGTERM or SIGINT, with so many processes. Raises AlreadyRunning, CannotListen and CannotOpen."""
    with hold_home(settings.home, LOCK_PATIENCE_SECONDS):
        (settings.home / "server.json").unlink(missing_ok=True)  # first: a killed server left it, and others read it
        listener = listen(settings.host, settings.port)
        allow_open_files()
        if workers == 1:
            _lead(settings, listener, os.getpid(), None, on_ready)
            return
        parent = os.getpid()
        Gateway.load_models()  # once, for all

        def work(member: Member) -> None:
            if member.is_first:
                _lead(settings, listener, parent, member, on_ready)
            else:
                _assist(settings, listen_too(listener), member)

        crew.run(workers, work)


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
    member: Member | None,
    on_ready: Callable[[Running], None],
) -> None:
    """Serve, and stand for carrying jobs forward. `known_as` is the process that others signal."""
    cloud = _open_cloud(settings, address_of(listener))
    remember(settings)  # only now: what the store refuses is not what others should read
    wiring.lay_files(settings.home)
    errands.ensure(cloud)
    leading = Leading(cloud, KINDS)
    leading.start()
    threading.Thread(target=_sweep, args=(cloud,), name="sweep", daemon=True).start()

    def ready() -> None:
        on_ready(_announce(cloud, leading, listener, known_as))
        if leading.leads:
            cloud.engine.warm_up()
        if member is not None:
            member.tell_ready()

    if member is not None:
        member.listen(cloud.bell.ring)
    try:
        uvloop.run(_serve(cloud, listener, ready))
    finally:
        _close(cloud, leading)


def _assist(settings: Settings, listener: socket.socket, member: Member) -> None:
    """Serve, and tell the first of the crew what is due."""
    cloud = _open_cloud(settings, address_of(listener))
    cloud.bell.listen(member.ring)
    try:
        uvloop.run(_serve(cloud, listener, lambda: None))
    finally:
        cloud.database.close()


def _open_cloud(settings: Settings, endpoint: str) -> Cloud:
    try:
        return open_cloud(settings, endpoint)
    except CannotUse as error:
        raise CannotOpen(str(error)) from error
    except (OSError, DBAPIError) as error:
        raise CannotOpen(f"{settings.home} cannot be opened: {error}") from error


def _check_choice(settings: Settings) -> None:
    """Raises CannotUse where what is asked for would hide what the home holds, or cannot be shared."""
    if settings.database and settings.database_file.exists():
        raise CannotUse(
            f"{settings.data} holds a store whose database is a file. Choose another home for a store in PostgreSQL, "
            "with --home."
        )
    if settings.store and not settings.database:
        raise CannotUse(f"The store of {settings.store} is in a file, which serves one home. Give it PostgreSQL.")


def _close(cloud: Cloud, leading: Leading) -> None:
    with ExitStack() as steps:  # the last first, and each even where one before it fails
        steps.callback((cloud.settings.home / "server.json").unlink, missing_ok=True)
        steps.callback(leading.close)
        steps.callback(cloud.database.close)
        steps.callback(cloud.engine.close)
        if leading.stop():  # else another server carries on
            endpoints_lifecycle.suspend(cloud)


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals alone: its own would end the process before the engine is told."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def end(self) -> None:
        """Begin to shut down."""
        self.should_exit = True


async def _serve(cloud: Cloud, listener: socket.socket, on_ready: Callable[[], None]) -> None:
    gateway = Gateway(cloud)
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
    await cloud.connections.close()
    gateway.close()


def _sweep(cloud: Cloud) -> None:
    try:
        cloud.reserve.fill()
    except OSError as error:
        log.warning("no room is held back for deletions on a full disk: %s", error)
    if deleted := objects.sweep(cloud):
        log.info("deleted %d blobs that an earlier server had not finished", deleted)
    access_lists.sweep(cloud)


def _announce(cloud: Cloud, leading: Leading, listener: socket.socket, known_as: int) -> Running:
    isolation = cloud.engine.isolation() if leading.leads else FOLLOWS
    running = Running(known_as, address_of(listener), time.time(), isolation, sys.prefix)
    path = cloud.settings.home / "server.json"
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(asdict(running)))
    draft.rename(path)
    return running
