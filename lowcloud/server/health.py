"""GET /health, without a signature: whether this server is ready to serve requests and run programs, and why not.

The answer is {"status": "ready" or "not ready", "isolation": level or null, "reasons": [{"code", "message"}]}, with 200
or 503. It says nothing about what is stored.
"""

import asyncio
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.gateway import Gateway
from lowcloud.api.aws.services.s3_hosts import ServerNames, bucket_of
from lowcloud.api.http.incoming import Receive
from lowcloud.api.http.sending import Send
from lowcloud.core.context import Context
from lowcloud.core.control import leader_election
from lowcloud.core.errors import CloudError
from lowcloud.core.storage.failures import storage_errors
from lowcloud.engine.work import IsolationStatus
from lowcloud.store.blobs import disk

DISK_READ_ONLY = "The disk is read-only: only reads work. Make it writable."
DISK_FULL = (
    "The disk is full: reads and deletions work, but nothing can be stored and no job starts. Free some space on the "
    "disk of the server's home; the server continues by itself."
)
DISK_FAILS = "The disk of the server's home fails to answer. The server's log has the error."
NO_LEADER = "No server of this store runs jobs at the moment."
NO_ISOLATION = (
    "The isolation of programs could not be established, so no job starts. `lowcloud status` gives the reason."
)
ISOLATION_NOT_TRIED = "The isolation of programs was not tried yet, so no job starts."
PATH = "/health"
CACHE_SECONDS = 1.0

Report = dict[str, Any]

log = logging.getLogger("lowcloud.health")


class HealthCheck:
    """An ASGI application that answers /health itself, and passes other requests on to the gateway."""

    def __init__(self, context: Context, gateway: Gateway):
        self._context = context
        self._gateway = gateway
        self._names = ServerNames.of(context.settings.host)
        self._report: Report = {}
        self._checked_at = float("-inf")
        self._lock = asyncio.Lock()

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if not self._is_asked(scope):
            await self._gateway(scope, receive, send)
            return
        async with self._lock:
            if time.monotonic() - self._checked_at > CACHE_SECONDS:
                self._report = await asyncio.to_thread(check, self._context)
                self._checked_at = time.monotonic()
        body = json.dumps(self._report).encode() + b"\n"
        headers = {"content-type": "application/json", "cache-control": "no-store", "content-length": str(len(body))}
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 503 if self._report["reasons"] else 200, "headers": pairs})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _is_asked(self, scope: Mapping[str, Any]) -> bool:
        """Return whether this is a request for the health of the server, rather than for a bucket or key of this name.

        Any client of S3 signs its requests, or adds a query to list a bucket.
        """
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] not in ("GET", "HEAD"):
            return False
        headers = dict(scope["headers"])
        if scope["query_string"] or b"authorization" in headers:
            return False
        try:
            return not bucket_of(headers.get(b"host", b"").decode("latin-1"), self._names)
        except AwsError:  # a name of this server that it does not know
            return True


def check(context: Context) -> Report:
    """Return the report on a server."""
    isolation = IsolationStatus()
    reasons: list[tuple[str, str]] = []
    try:
        isolation = context.engine.isolation_status()
        reasons.extend(_reasons(context, isolation))
    except OSError as error:
        log.error("the health of this server could not be found out: %s", error)
        reasons.append(("disk", DISK_FAILS))
    return {
        "status": "not ready" if reasons else "ready",
        "isolation": isolation.level or None,
        "reasons": [{"code": code, "message": message} for code, message in reasons],
    }


def _reasons(context: Context, isolation: IsolationStatus) -> Iterator[tuple[str, str]]:
    """Yield what is not as it should be. Raises OSError where the disk fails."""
    try:
        with storage_errors(), context.database.read() as connection:
            connection.execute(select(1))
    except CloudError as error:
        yield "database", str(error)
    data = context.settings.data
    if os.statvfs(data).f_flag & os.ST_RDONLY:
        yield "disk", DISK_READ_ONLY
    elif disk.is_full(data):
        yield "disk", DISK_FULL
    if leader_election.leader_of(context.settings.work) is None:
        yield "leader", NO_LEADER
    if not isolation.level:
        yield "isolation", NO_ISOLATION if isolation.waits_for else ISOLATION_NOT_TRIED
