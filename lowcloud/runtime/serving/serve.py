"""`python -m lowcloud.runtime.serving.serve ALGORITHM`: serves a model of a built-in algorithm over HTTP.

It listens on a unix socket. GET /ping returns 200 once the model is loaded, POST /invocations returns predictions. It
is a plain asyncio protocol with httptools, because a web framework costs several times as much per request.
"""

import asyncio
import gc
import importlib
import os
import signal
import sys
import traceback
from http import HTTPStatus
from pathlib import Path
from typing import Protocol, cast

from lowcloud import contract
from lowcloud.runtime import algorithms
from lowcloud.runtime.feature_transforms.attachment import with_transform
from lowcloud.runtime.formats import BadRequestError, NotAcceptableError, OtherStatusError, UnsupportedMediaTypeError

try:
    import httptools
    import uvloop
except ModuleNotFoundError as missing:  # an environment created by a user; main reports it
    MISSING_PACKAGE = missing.name
else:
    MISSING_PACKAGE = None

SCRIPT, SCRIPT_MODULE = "script", "lowcloud.runtime.serving.script_model"  # a user's script in place of an algorithm
BODY_BYTES = 25 * 1024 * 1024  # the largest payload of InvokeEndpoint
HEADER_BYTES = 64 * 1024
SHUTDOWN_GRACE_SECONDS = 10.0  # for requests that began before SIGTERM

REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}
ERROR_STATUSES = {BadRequestError: 400, UnsupportedMediaTypeError: 415, NotAcceptableError: 406}
TEXT = "text/plain; charset=utf-8"


class Predictor(Protocol):
    """A loaded model that answers requests."""

    def respond(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Return the response body and its content type.

        Raises formats.BadRequestError, UnsupportedMediaTypeError, NotAcceptableError and OtherStatusError.
        """


def main(argv: list[str]) -> int:
    """Serve the model of the algorithm argv[0], with its options, until SIGTERM; return the exit code."""
    base = Path(os.environ.get(contract.BASE_DIR_VARIABLE, contract.DEFAULT_BASE_DIR))
    if MISSING_PACKAGE:
        reason = f"The Python environment of the model's image lacks {MISSING_PACKAGE}, which the model server needs."
        return _fail(base, f"{reason} Install it there: pip install httptools uvloop")
    try:
        model = base / contract.MODEL
        program = importlib.import_module(SCRIPT_MODULE) if argv[0] == SCRIPT else algorithms.find(argv[0])
        predictor = with_transform(cast(Predictor, program.load(model, *argv[1:])), model)
    except Exception as error:  # noqa: BLE001 - the program's edge: any error becomes the endpoint's failure reason
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
    """Answer requests on a unix socket until SIGTERM, then finish those that have begun."""
    loop = asyncio.get_running_loop()
    shutdown = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, shutdown.set)
    connections: set[Connection] = set()
    Path(socket_path).unlink(missing_ok=True)
    server = await loop.create_unix_server(lambda: Connection(predictor, connections), socket_path)
    print("Serving.", flush=True)
    await shutdown.wait()
    server.close()
    for connection in list(connections):
        connection.shut_down()
    deadline = loop.time() + SHUTDOWN_GRACE_SECONDS
    while connections and loop.time() < deadline:
        await asyncio.sleep(0.01)


class Connection(asyncio.Protocol):
    """One client's connection, which answers requests in order."""

    def __init__(self, predictor: Predictor, connections: "set[Connection]"):
        self._predictor = predictor
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._is_shutting_down = False
        self._reset(is_idle=True)

    # Callbacks of the event loop.

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
            self._reject(400, "This server supports only HTTP/1.1.")
        except httptools.HttpParserError as error:
            if not self._transport.is_closing():
                self._reject(400, f"The request is not valid HTTP: {error}.")

    def pause_writing(self) -> None:
        self._transport.pause_reading()  # a client that does not read its responses cannot send more requests

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    def shut_down(self) -> None:
        """Close the connection immediately if it is idle, otherwise after the response."""
        self._is_shutting_down = True
        if self._is_idle:
            self._transport.close()

    # Callbacks of the parser.

    def on_message_begin(self) -> None:
        self._reset(is_idle=False)

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
            self._reject_body()

    def on_headers_complete(self) -> None:
        if self._expects_continue and not self._transport.is_closing():
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > BODY_BYTES:
            self._body.clear()
            self._reject_body()
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        if self._transport.is_closing():
            return
        self._respond(*self._handle())
        self._is_idle = True
        if self._is_shutting_down or not self._parser.should_keep_alive():
            self._transport.close()

    # Responses.

    def _reset(self, is_idle: bool) -> None:
        self._is_idle = is_idle
        self._url = b""
        self._content_type = ""
        self._accept = ""
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._header_bytes = 0
        self._expects_continue = False

    def _handle(self) -> tuple[int, bytes, str]:
        """Return status, body and content type of the response."""
        path = self._url.partition(b"?")[0]
        method = self._parser.get_method()
        if path == b"/invocations":
            return self._predict() if method == b"POST" else (405, b"Send a POST request.", TEXT)
        if path == b"/ping":
            return (200, b"", TEXT) if method == b"GET" else (405, b"Send a GET request.", TEXT)
        return 404, b"The paths are /ping and /invocations.", TEXT

    def _predict(self) -> tuple[int, bytes, str]:
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        try:
            response, content_type = self._predictor.respond(body, self._content_type, self._accept)
        except (BadRequestError, UnsupportedMediaTypeError, NotAcceptableError) as error:
            status = next(status for type_, status in ERROR_STATUSES.items() if isinstance(error, type_))
            return status, str(error).encode(), TEXT
        except OtherStatusError as error:
            if error.status in REASONS and error.status >= HTTPStatus.OK:
                return error.status, error.body, error.content_type
            return 500, f"The inference script answered with {error.status}, which is no HTTP status.".encode(), TEXT
        except Exception as error:  # noqa: BLE001 - the edge of one request: others continue
            traceback.print_exc()
            given = getattr(error, "status_code", None)  # of the inference toolkit's errors
            if given in REASONS and given >= HTTPStatus.BAD_REQUEST:
                return given, str(error).encode(), TEXT
            return 500, f"The model failed: {type(error).__name__}; see the endpoint's log.".encode(), TEXT
        return 200, response, content_type

    def _respond(self, status: int, body: bytes, content_type: str) -> None:
        head = b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(head % (status, REASONS[status], content_type.encode("latin-1"), len(body)) + body)

    def _reject(self, status: int, message: str) -> None:
        """Send an error and close the connection, since the rest of its data cannot be parsed or is not needed."""
        if not self._transport.is_closing():
            self._respond(status, message.encode(), TEXT)
            self._transport.close()

    def _reject_body(self) -> None:
        self._reject(413, f"A request body may have at most {BODY_BYTES} bytes.")

    def _count_header(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > HEADER_BYTES:
            self._reject(431, f"The request line and headers may have at most {HEADER_BYTES} bytes.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
