"""The HTTP protocol of the server: uvicorn's, with limits of the time and the size of a request's head."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 20.0  # from the connection or the first byte of a further request; S3 waits as long
MAX_HEAD_BYTES = 64 << 10  # of the URL and the headers


class _HeadTooLargeError(Exception):
    """The head is too large; the parser passes it on as an error of its own."""


class HttpProtocol(HttpToolsProtocol):
    """One connection, which is closed when the head of a request takes too long or grows too large."""

    _head_timer: asyncio.TimerHandle | None = None  # while a head is awaited
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        timer = self._head_timer
        super().data_received(data)
        if timer is not None and timer is self._head_timer:  # the head has not ended in this data
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")
        elif self._is_idle():  # only line breaks, which may come before a request and would keep the connection
            self._await_head()

    # Callbacks of the parser.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._head_timer is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        self._stop_timer()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD_BYTES:
            raise _HeadTooLargeError
        super().on_headers_complete()

    def _is_idle(self) -> bool:
        is_answered = self.cycle is None or self.cycle.response_complete
        return self._head_timer is None and self.timeout_keep_alive_task is None and is_answered and not self.pipeline

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
