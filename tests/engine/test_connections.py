"""Connections to replicas: reuse, limits and failures."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lowcloud.engine.connections import Connections, NotConnectedError, ReplicaResponse

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: 2\r\n\r\nok"


@asynccontextmanager
async def replica(answering: Answering) -> AsyncIterator[tuple[str, list[int]]]:
    """A server at a unix socket: its address, and one entry for each connection made to it."""
    made: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.append(1)
        await answering(reader, writer)
        writer.close()

    with tempfile.TemporaryDirectory() as folder:
        server = await asyncio.start_unix_server(serve, Path(folder) / "s")
        yield f"unix:{folder}/s", made
        server.close()


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    return head, await reader.readexactly(length)


def always(*answers: bytes) -> Answering:
    """Answer every request with these pieces."""

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            try:
                await read_request(reader)
            except asyncio.IncompleteReadError:
                return
            for piece in answers:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.001)

    return answering


def ask(answering: Answering, times: int = 1, timeout_seconds: float = 5) -> tuple[list[ReplicaResponse], int]:
    """The answers to some requests one after the other, and how many connections they took."""

    async def run() -> tuple[list[ReplicaResponse], int]:
        connections = Connections()
        async with replica(answering) as (address, made):
            found = [await connections.post(address, b"1,2", {"Accept": "x/y"}, timeout_seconds) for _ in range(times)]
            await connections.close()
            return found, len(made)

    return asyncio.run(run())


def test_requests_share_a_connection() -> None:
    answers, connections = ask(always(OK), times=5)
    assert answers == [ReplicaResponse(200, "text/csv", b"ok")] * 5
    assert connections == 1


def test_concurrent_requests_have_a_connection_each() -> None:
    async def run() -> None:
        connections = Connections()
        async with replica(always(OK)) as (address, made):
            await asyncio.gather(*(connections.post(address, b"", {}, 5) for _ in range(10)))
            await asyncio.gather(*(connections.post(address, b"", {}, 5) for _ in range(10)))
            await connections.close()
            assert len(made) == 10

    asyncio.run(run())


def test_the_request_is_complete() -> None:
    seen = []

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(OK)

    ask(answering)
    ((head, body),) = seen
    assert head.startswith(b"POST /invocations HTTP/1.1\r\n")
    assert b"\r\nAccept: x/y\r\n" in head
    assert body == b"1,2"


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Le", b"ngth: 4\r\n\r\nab", b"cd"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", b"2\r\ncd\r\n0\r\n\r\n"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcd"),
    ],
)
def test_an_answer_in_pieces_is_put_together(pieces: tuple[bytes, ...]) -> None:
    answers, connections = ask(always(*pieces), times=2)
    assert [answer.body for answer in answers] == [b"abcd", b"abcd"]
    assert connections == 1


def test_an_answer_may_end_with_its_connection() -> None:
    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 500 Oh\r\nContent-Type: text/plain\r\n\r\nto the end")

    answers, connections = ask(answering, times=2)
    assert answers == [ReplicaResponse(500, "text/plain", b"to the end")] * 2
    assert connections == 2


def test_a_replica_that_sends_connection_close_is_connected_again() -> None:
    answers, connections = ask(always(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")), times=3)
    assert len(answers) == 3
    assert connections == 3


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"SSH-2.0-OpenSSH\r\n"])
def test_a_replica_that_breaks_off_is_a_connection_error(answer: bytes) -> None:
    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)

    with pytest.raises(ConnectionError):
        ask(answering)


def test_a_late_response_is_never_taken_for_that_of_another_request() -> None:
    async def run() -> None:
        has_timed_out = asyncio.Event()

        async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            if not has_timed_out.is_set():
                await has_timed_out.wait()
                writer.write(OK.replace(b"ok", b"no"))
            writer.write(OK)

        connections = Connections()
        async with replica(answering) as (address, made):
            with pytest.raises(TimeoutError):
                await connections.post(address, b"", {}, 0.1)
            has_timed_out.set()
            assert (await connections.post(address, b"", {}, 5)).body == b"ok"
            assert len(made) == 2

    asyncio.run(run())


def test_a_replica_that_is_gone_is_an_os_error() -> None:
    async def run() -> None:
        async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            writer.write(OK)

        connections = Connections()
        async with replica(once) as (address, _):
            await connections.post(address, b"", {}, 5)
            [idle] = connections._idle[address]
            async with asyncio.timeout(5):
                while idle.is_usable:  # until the end of the connection is noticed while it is idle
                    await asyncio.sleep(0.001)
        with pytest.raises(NotConnectedError):
            await connections.post(address, b"", {}, 5)

    asyncio.run(run())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a path can only be connected to as a whole")
def test_a_link_that_a_program_has_put_in_place_of_its_socket_is_not_followed(tmp_path: Path) -> None:
    async def run() -> int:
        connections = Connections()
        async with replica(always(OK)) as (address, made):
            (tmp_path / "http").symlink_to(address.removeprefix("unix:"))
            with pytest.raises(NotConnectedError, match="not a socket"):
                await connections.post(f"unix:{tmp_path}/http", b"1", {}, 5)
            return len(made)

    assert asyncio.run(run()) == 0


def test_an_endless_answer_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lowcloud.engine.connections.RESPONSE_LIMIT_BYTES", 100_000)
    with pytest.raises(ConnectionError, match="more than 100000 bytes"):
        ask(always(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", bytes(1_000_000)))


def test_a_header_cannot_smuggle_a_second_request() -> None:
    async def run() -> None:
        with pytest.raises(ValueError, match="line break"):
            await Connections().post("unix:/nowhere", b"", {"Accept": "a\r\nB: c"}, 1)

    asyncio.run(run())
