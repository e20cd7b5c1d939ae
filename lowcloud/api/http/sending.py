"""Sends a response over ASGI; a body that is a blocking iterator is read in a worker thread."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Executor
from contextlib import aclosing, nullcontext
from itertools import islice
from typing import Any

from lowcloud.api.http.incoming import IncomingBody
from lowcloud.api.http.messages import HttpResponse

Send = Callable[[Any], Awaitable[None]]

CHUNKS_AT_ONCE = 4  # read by a worker thread in one call: a switch between threads costs as much as reading one
_CONTROLS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


async def send_response(
    response: HttpResponse, method: str, send: Send, workers: Executor, incoming: IncomingBody
) -> None:
    """Send head and body. Raises whatever the body raises while it is read."""
    body = response.body
    if incoming.awaits_continue and not incoming.is_complete:
        # The client may or may not send its body now: what comes next on the connection would be ambiguous.
        response.headers["connection"] = "close"
    if method == "HEAD" or response.status in (204, 304):
        await _close(body, workers)
        body = b""
    elif isinstance(body, bytes):
        response.headers["content-length"] = str(len(body))
    await send({"type": "http.response.start", "status": response.status, "headers": _headers(response.headers)})
    if not isinstance(body, bytes):
        await _send_stream(body, send, workers, incoming)
        body = b""
    if not incoming.is_complete:
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await incoming.drain()
        body = b""
    await send({"type": "http.response.body", "body": body})


async def _send_stream(
    body: Iterator[bytes] | AsyncIterator[bytes], send: Send, workers: Executor, incoming: IncomingBody
) -> None:
    """Send chunks until the body ends or the client disconnects: the server would drop them silently."""
    disconnect = asyncio.create_task(incoming.wait_for_disconnect())
    chunks = body if isinstance(body, AsyncIterator) else _read_ahead(body, workers)
    try:
        async with aclosing(chunks) if isinstance(chunks, AsyncGenerator) else nullcontext():
            async for chunk in chunks:
                if disconnect.done():
                    return
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
    finally:
        disconnect.cancel()
        await _close(body, workers)


async def _read_ahead(body: Iterator[bytes], workers: Executor) -> AsyncGenerator[bytes, None]:
    """Yield the chunks of a blocking iterator; the next few are read while the current ones are sent."""
    loop = asyncio.get_running_loop()

    def take() -> asyncio.Future[list[bytes]]:
        return loop.run_in_executor(workers, lambda: list(islice(body, CHUNKS_AT_ONCE)))

    ahead = take()
    try:
        while chunks := await ahead:
            ahead = take()
            for chunk in chunks:
                yield chunk
    finally:
        await asyncio.gather(ahead, return_exceptions=True)  # the body must not be closed while a thread reads it


async def _close(body: Any, workers: Executor) -> None:
    """Close the body, so that a generator frees its resources, e.g. an open file."""
    if hasattr(body, "aclose"):
        await body.aclose()
    elif hasattr(body, "close"):
        await asyncio.get_running_loop().run_in_executor(workers, body.close)


def _headers(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """Return names and values as bytes, without control characters, which could start another header."""
    return [(name.lower().encode(), _CONTROLS.sub(b" ", text.encode())) for name, text in headers.items()]
