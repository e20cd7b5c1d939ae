"""The body of a request while it arrives: read from the connection only as fast as its consumer takes it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager
from typing import Any

Receive = Callable[[], Awaitable[Mapping[str, Any]]]

READ_BYTES = 512 << 10  # passed to a worker thread at a time
MAX_BUFFERED_BYTES = 64 << 20  # of a body that is read into memory
FREE_BYTES = 64 << 10  # of each body, which do not count in the allowance for unverified ones
IDLE_SECONDS = 60
MIN_BYTES_PER_SECOND = 1024  # over that time, so that a client cannot hold a connection with single bytes
DRAIN_SECONDS = 5


class RequestBodyError(Exception):
    """The body of a request could not be read to its end."""

    def __init__(self, message: str):
        super().__init__(message)
        self.message = message


class BodyTimeoutError(RequestBodyError):
    """The client stopped sending."""


class ClientDisconnectedError(RequestBodyError):
    """The client closed the connection before the end of the body."""


class ServerStoppingError(RequestBodyError):
    """The server is shutting down while the body arrives."""


class BodyTooLargeError(RequestBodyError):
    """The body is larger than what is read into memory."""


class TooManyBodiesError(RequestBodyError):
    """The bodies whose senders are not verified yet take all the memory that is allowed to them."""


class Allowance:
    """The memory for all bodies that are read before their senders are verified."""

    def __init__(self, limit_bytes: int):
        self._left = limit_bytes

    @contextmanager
    def share(self) -> Iterator[Callable[[int], None]]:
        """Yield a function that takes bytes for one body, and raises TooManyBodiesError; return them at the end."""
        size = taken = 0

        def take(count: int) -> None:
            nonlocal size, taken
            size += count
            more = max(0, size - FREE_BYTES) - taken
            if more > self._left:
                raise TooManyBodiesError("Too many large requests at once. Reduce your request rate.")
            self._left -= more
            taken += more

        try:
            yield take
        finally:
            self._left += taken


class IncomingBody:
    """The part of a request's body that has not been read from its connection yet."""

    def __init__(self, receive: Receive, headers: Mapping[str, str]):
        self._receive = receive
        length = headers.get("content-length", "")
        self._length = int(length) if length.isdecimal() and len(length) < 19 else 0
        self._waited_seconds = 0.0  # for the client, since when it has sent _bytes
        self._bytes = 0
        # The client sends nothing before the server responds with 100 Continue.
        self.awaits_continue = headers.get("expect", "").lower() == "100-continue"
        is_empty = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
        # botocore expects "100 Continue" before a response even where there is nothing to send; without it, botocore
        # misreads the response that follows on the same connection (botocore issue 3755). S3 sends it.
        self.is_complete = is_empty and not self.awaits_continue

    async def read_piece(self) -> bytes:
        """Return the next bytes as they arrive, b"" at the end.

        Raises BodyTimeoutError and ClientDisconnectedError.
        """
        self.awaits_continue = False
        while not self.is_complete:
            message = await self._receive_in_time()
            if message["type"] == "http.disconnect":
                raise ClientDisconnectedError("The client closed the connection before the end of its request.")
            self.is_complete = not message.get("more_body", False)
            if message.get("body"):
                self._bytes += len(message["body"])
                return bytes(message["body"])
        return b""

    async def read(self, size: int) -> bytes:
        """Return about `size` bytes, fewer only at the end. Raises as `read_piece` does."""
        pieces, count = [], 0
        while count < size and (piece := await self.read_piece()):
            pieces.append(piece)
            count += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def read_all(
        self, limit: int = MAX_BUFFERED_BYTES, take: Callable[[int], None] = lambda _count: None
    ) -> bytes:
        """Return the complete body; `take` is told how many bytes are read.

        Raises BodyTooLargeError (before anything is read, if the client announces the length), what `take` raises,
        and as `read_piece` does.
        """
        pieces, count = [], 0
        while self._length <= limit and (piece := await self.read_piece()):
            take(len(piece))
            pieces.append(piece)
            count += len(piece)
            if count > limit:
                break
        if max(count, self._length) > limit:
            raise BodyTooLargeError(f"The request's body is larger than {limit} bytes.")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _receive_in_time(self) -> Mapping[str, Any]:
        """Return the next message. Raises BodyTimeoutError if the client stops sending, or sends too slowly."""
        if self._waited_seconds >= IDLE_SECONDS:
            if self._bytes < self._waited_seconds * MIN_BYTES_PER_SECOND:
                raise BodyTimeoutError(
                    f"{self._bytes} bytes were received in {self._waited_seconds:.0f} seconds; at least "
                    f"{MIN_BYTES_PER_SECOND} per second are expected."
                )
            self._waited_seconds, self._bytes = 0.0, 0
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                message = await self._receive()
        except TimeoutError as error:
            raise BodyTimeoutError(f"No data was received for {IDLE_SECONDS} seconds.") from error
        self._waited_seconds += clock() - started
        return message

    def blocking_pieces(self, loop: asyncio.AbstractEventLoop) -> Iterator[bytes]:
        """Yield the rest to a thread other than the loop's. Raises ServerStoppingError, and as `read_piece` does."""
        while True:
            future = asyncio.run_coroutine_threadsafe(self.read(READ_BYTES), loop)
            try:
                piece = future.result()
            except CancelledError as error:
                raise ServerStoppingError("The server is stopping.") from error
            if not piece:
                return
            yield piece

    async def drain(self) -> None:
        """Read and discard the rest: closing a connection with unread data would lose the response too."""
        if self.awaits_continue:
            return
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while await self.read_piece():
                    pass
        except (TimeoutError, RequestBodyError):
            return  # the client has its response, or has disconnected

    async def wait_for_disconnect(self) -> None:
        """Return when the client has disconnected; only once the body has been read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
