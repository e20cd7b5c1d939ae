"""Sends a response over ASGI: bytes at once, iterators as they come, from a worker thread where they block."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Executor
from typing import Any

from lowcloud.aws.bodies import Incoming
from lowcloud.aws.wire import HttpResponse

Send = Callable[[Any], Awaitable[None]]

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
    try:
        async for chunk in _chunks(body, workers):
            if departure.done():
                return
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    finally:
        departure.cancel()
        await _close(body, workers)


async def _chunks(body: Iterator[bytes] | AsyncIterator[bytes], workers: Executor) -> AsyncIterator[bytes]:
    if isinstance(body, AsyncIterator):
        async for chunk in body:
            yield chunk
        return
    loop = asyncio.get_running_loop()
    while chunk := await loop.run_in_executor(workers, lambda: next(body, b"")):
        yield chunk


async def _close(body: Any, workers: Executor) -> None:
    """Let a generator free what it holds, e.g. an open file."""
    if hasattr(body, "aclose"):
        await body.aclose()
    elif hasattr(body, "close"):
        await asyncio.get_running_loop().run_in_executor(workers, body.close)


def _headers(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """Names and values as bytes; a control character would end the line and begin another header."""
    return [(name.lower().encode(), _CONTROLS.sub(b" ", text.encode())) for name, text in headers.items()]
