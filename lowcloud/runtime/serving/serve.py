"""`python -m lowcloud.runtime.serving.serve ALGORITHM`: a model of a built-in algorithm behind HTTP on a unix socket.

GET /ping answers 200 once the model is loaded; POST /invocations answers predictions. This is the whole path of a
request inside a replica, so it is a bare asyncio protocol over httptools: a framework costs several times the sum.
"""

import asyncio
import gc
import importlib
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Protocol, cast

from lowcloud import contract
from lowcloud.runtime import algorithms
from lowcloud.runtime.feature_transforms.attachment import attached
from lowcloud.runtime.formats import BadRequestError, NotAcceptableError, UnsupportedMediaTypeError

try:
    import httptools
    import uvloop
except ModuleNotFoundError as missing:  # an environment of a user's own; main says so
    ABSENT = missing.name
else:
    ABSENT = None

SCRIPT, SCRIPT_MODULE = "script", "lowcloud.runtime.serving.script_model"  # a user's, in the place of an algorithm
BODY_BYTES = 25 * 1024 * 1024  # the largest payload of InvokeEndpoint
HEADER_BYTES = 64 * 1024
GOODBYE_SECONDS = 10.0  # for requests that were begun before SIGTERM

REASONS = {
    200: b"OK",
    400: b"Bad Request",
    404: b"Not Found",
    405: b"Method Not Allowed",
    406: b"Not Acceptable",
    413: b"Content Too Large",
    415: b"Unsupported Media Type",
    431: b"Request Header Fields Too Large",
    500: b"Internal Server Error",
}
REFUSALS = {BadRequestError: 400, UnsupportedMediaTypeError: 415, NotAcceptableError: 406}
TEXT = "text/plain; charset=utf-8"


class Predictor(Protocol):
    """A loaded model."""

    def answer(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """The answer and its content type.

        Raises formats.BadRequestError, UnsupportedMediaTypeError and NotAcceptableError.
        """


def main(argv: list[str]) -> int:
    """Serve the model of the algorithm argv[0], with options in what follows, until SIGTERM; the exit code."""
    base = Path(os.environ.get(contract.BASE_DIR_VARIABLE, contract.DEFAULT_BASE_DIR))
    if ABSENT:
        reason = f"The Python environment of the model's image has no {ABSENT}, which serves models."
        return _fail(base, f"{reason} Install it there: pip install httptools uvloop")
    try:
        model = base / contract.MODEL
        program = importlib.import_module(SCRIPT_MODULE) if argv[0] == SCRIPT else algorithms.find(argv[0])
        predictor = attached(cast(Predictor, program.load(model, *argv[1:])), model)
    except Exception as error:  # noqa: BLE001 - the program's edge: any fault becomes the endpoint's failure reason
        traceback.print_exc()
        return _fail(base, f"The model could not be loaded: {error}")
    gc.collect()
    gc.freeze()
    uvloop.run(serve(predictor, os.environ[contract.SOCKET_VARIABLE]))
    return 0


def _fail(base: Path, reason: str) -> int:
    print(reason, file=sys.stderr, flush=True)
    (base / contract.FAILURE).parent.mkdir(parents=True, exist_ok=True)
    (base / contract.FAILURE).write_text(reason)
    return contract.EXIT_CLIENT_ERROR


async def serve(predictor: Predictor, socket_path: str) -> None:
    """Answer requests at a unix socket until SIGTERM, then finish those that were begun."""
    loop = asyncio.get_running_loop()
    leaving = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, leaving.set)
    connections: set[Connection] = set()
    Path(socket_path).unlink(missing_ok=True)
    server = await loop.create_unix_server(lambda: Connection(predictor, connections), socket_path)
    print("Serving.", flush=True)
    await leaving.wait()
    server.close()
    for connection in list(connections):
        connection.leave()
    deadline = loop.time() + GOODBYE_SECONDS
    while connections and loop.time() < deadline:
        await asyncio.sleep(0.01)


class Connection(asyncio.Protocol):
    """One client's connection: requests in, in any number of pieces, answers out in their order."""

    def __init__(self, predictor: Predictor, connections: "set[Connection]"):
        self._predictor = predictor
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._is_leaving = False
        self._begin(is_idle=True)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self._connections.discard(self)

    def data_received(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(400, "This server speaks HTTP/1.1 alone.")
        except httptools.HttpParserError as error:
            if not self._transport.is_closing():
                self._refuse(400, f"The request cannot be read: {error}.")

    def pause_writing(self) -> None:
        self._transport.pause_reading()  # a client that does not read its answers is not asked for more questions

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    def leave(self) -> None:
        """Close the connection: at once between requests, else behind the answer."""
        self._is_leaving = True
        if self._is_idle:
            self._transport.close()

    # What the parser calls.

    def on_message_begin(self) -> None:
        self._begin(is_idle=False)

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count_header(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_header(len(name) + len(value))
        name = name.lower()
        if name == b"content-type":
            self._content_type = value.decode("latin-1")
        elif name == b"accept":
            self._accept = value.decode("latin-1")
        elif name == b"expect":
            self._expects_continue = value.lower() == b"100-continue"
        elif name == b"content-length" and value.isdigit() and int(value) > BODY_BYTES:
            self._refuse_body()

    def on_headers_complete(self) -> None:
        if self._expects_continue and not self._transport.is_closing():
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > BODY_BYTES:
            self._body.clear()
            self._refuse_body()
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        if self._transport.is_closing():
            return
        self._respond(*self._answer())
        self._is_idle = True
        if self._is_leaving or not self._parser.should_keep_alive():
            self._transport.close()

    # Answers.

    def _begin(self, is_idle: bool) -> None:
        self._is_idle = is_idle
        self._url = b""
        self._content_type = ""
        self._accept = ""
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._header_bytes = 0
        self._expects_continue = False

    def _answer(self) -> tuple[int, bytes, str]:
        """Status, body and content type."""
        path = self._url.partition(b"?")[0]
        method = self._parser.get_method()
        if path == b"/invocations":
            return self._predict() if method == b"POST" else (405, b"Send a POST request.", TEXT)
        if path == b"/ping":
            return (200, b"", TEXT) if method == b"GET" else (405, b"Send a GET request.", TEXT)
        return 404, b"There are /ping and /invocations here.", TEXT

    def _predict(self) -> tuple[int, bytes, str]:
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        try:
            answer, content_type = self._predictor.answer(body, self._content_type, self._accept)
        except (BadRequestError, UnsupportedMediaTypeError, NotAcceptableError) as refusal:
            status = next(status for kind, status in REFUSALS.items() if isinstance(refusal, kind))
            return status, str(refusal).encode(), TEXT
        except Exception as error:  # noqa: BLE001 - the edge of one request: others go on
            traceback.print_exc()
            return 500, f"The model failed: {type(error).__name__}; see the endpoint's log.".encode(), TEXT
        return 200, answer, content_type

    def _respond(self, status: int, body: bytes, content_type: str) -> None:
        head = b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(head % (status, REASONS[status], content_type.encode("latin-1"), len(body)) + body)

    def _refuse(self, status: int, sentence: str) -> None:
        """Answer and close: what follows on this connection cannot be understood or is not wanted."""
        if not self._transport.is_closing():
            self._respond(status, sentence.encode(), TEXT)
            self._transport.close()

    def _refuse_body(self) -> None:
        self._refuse(413, f"A request body may have {BODY_BYTES} bytes at most.")

    def _count_header(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > HEADER_BYTES:
            self._refuse(431, f"The request line and headers may have {HEADER_BYTES} bytes at most.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
