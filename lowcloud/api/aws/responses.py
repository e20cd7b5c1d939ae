"""Sends a response over ASGI: bytes at once, iterators as they come, from a worker thread where they block."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Executor
from contextlib import aclosing, nullcontext
from itertools import islice
from typing import Any

from lowcloud.api.aws.http import HttpResponse
from lowcloud.api.aws.request_bodies import Incoming

Send = Callable[[Any], Awaitable[None]]

CHUNKS_AT_ONCE = 4  # of a body read by a thread: handing each over costs as much as reading it
_CONTROLS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


async def send_response(response: HttpResponse, method: str, send: Send, workers: Executor, incoming: Incoming) -> None:
    """Send head and body. Where the body fails midway or is shorter than announced, so does this."""
    body = response.body
    if incoming.is_awaited and not incoming.is_over:  # the client may now send its body or not, and nobody could tell
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
    if not incoming.is_over:
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await incoming.drain()
        body = b""
    await send({"type": "http.response.body", "body": body})


async def _send_stream(
    body: Iterator[bytes] | AsyncIterator[bytes], send: Send, workers: Executor, incoming: Incoming
) -> None:
    """Send chunks until there are no more, or nobody who reads them: the server would drop them without a word."""
    departure = asyncio.create_task(incoming.departure())
    chunks = body if isinstance(body, AsyncIterator) else _read_ahead(body, workers)
    try:
        async with aclosing(chunks) if isinstance(chunks, AsyncGenerator) else nullcontext():
            async for chunk in chunks:
                if departure.done():
                    return
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
    finally:
        departure.cancel()
        await _close(body, workers)


async def _read_ahead(body: Iterator[bytes], workers: Executor) -> AsyncGenerator[bytes, None]:
    """The chunks of a blocking iterator, a few a call, of which the next is under way while these are sent."""
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
        await asyncio.gather(ahead, return_exceptions=True)  # nobody may close the body while a thread is in it


async def _close(body: Any, workers: Executor) -> None:
    """Let a generator free what it holds, e.g. an open file."""
    if hasattr(body, "aclose"):
        await body.aclose()
    elif hasattr(body, "close"):
        await asyncio.get_running_loop().run_in_executor(workers, body.close)


def _headers(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """Names and values as bytes; a control character would end the line and begin another header."""
    return [(name.lower().encode(), _CONTROLS.sub(b" ", text.encode())) for name, text in headers.items()]
