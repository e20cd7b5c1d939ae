"""Contexts and HTTP servers inside the test's own process."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from lowcloud.core.context import Context
from lowcloud.home import settings
from lowcloud.server.http_protocol import HttpProtocol
from lowcloud.server.server import open_context
from tests.support.servers.endpoint import ENVIRONMENT, Endpoint
from tests.support.waiting import TIMEOUT_SECONDS, wait_for


def make_context(home: Path, database: str | None = None) -> Context:
    """Return the context of a new home, without a reconciler."""
    chosen = settings.load(home, ENVIRONMENT, database=database)
    context = open_context(chosen)
    settings.save_account(chosen)  # as a server does, for commands that find the home without these variables
    return context


@contextmanager
def serving(app: Callable[..., Any]) -> Iterator[Endpoint]:
    """Serve an ASGI application on a free port of the loopback."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, http=HttpProtocol, log_level="warning", lifespan="off", access_log=False, server_header=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    wait_for(lambda: server.started)
    try:
        yield Endpoint(f"http://127.0.0.1:{listener.getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join(TIMEOUT_SECONDS)
        listener.close()
