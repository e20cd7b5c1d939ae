"""Bodies while they arrive: their limits of size, time and memory."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from lowcloud.api.http import incoming
from lowcloud.api.http.incoming import (
    FREE_BYTES,
    Allowance,
    BodyTimeoutError,
    BodyTooLargeError,
    IncomingBody,
    TooManyBodiesError,
)


def body_of(pieces: Iterable[bytes], pause_seconds: float = 0.0, **headers: str) -> IncomingBody:
    """A body whose pieces arrive one after the other."""
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(pause_seconds)
        return messages.pop(0)

    return IncomingBody(receive, {"transfer-encoding": "chunked", **headers})


def never() -> IncomingBody:
    """A body that nobody may read."""

    async def receive() -> dict[str, Any]:
        raise AssertionError("the body is read")

    return IncomingBody(receive, {"content-length": "100"})


def test_a_body_that_announces_more_than_the_limit_is_refused_before_it_is_read():
    with pytest.raises(BodyTooLargeError):
        asyncio.run(never().read_all(limit=99))


def test_a_body_that_announces_nothing_is_refused_once_it_exceeds_the_limit():
    body = body_of([b"x" * 60] * 10)
    with pytest.raises(BodyTooLargeError):
        asyncio.run(body.read_all(limit=100))
    assert not body.is_complete
    assert asyncio.run(body_of([b"x" * 50] * 2).read_all(limit=100)) == b"x" * 100


def test_a_client_that_sends_single_bytes_is_cut_off(monkeypatch):
    monkeypatch.setattr(incoming, "IDLE_SECONDS", 0.05)
    with pytest.raises(BodyTimeoutError, match="per second"):
        asyncio.run(body_of([b"x"] * 1000, pause_seconds=0.01).read_all())


def test_a_client_that_sends_enough_may_take_long(monkeypatch):
    monkeypatch.setattr(incoming, "IDLE_SECONDS", 0.02)
    pieces = [b"x" * 1024] * 20
    assert asyncio.run(body_of(pieces, pause_seconds=0.01).read_all()) == b"".join(pieces)


def test_a_client_that_sends_nothing_is_cut_off(monkeypatch):
    monkeypatch.setattr(incoming, "IDLE_SECONDS", 0.02)
    with pytest.raises(BodyTimeoutError, match="No data"):
        asyncio.run(body_of([b"x"], pause_seconds=10).read_all())


def read(allowance: Allowance, size: int, then: Callable[[], None] = lambda: None) -> int:
    with allowance.share() as take:
        count = len(asyncio.run(body_of([b"x" * (64 << 10)] * (size >> 16)).read_all(take=take)))
        then()
    return count


def test_unverified_bodies_share_an_allowance_that_small_ones_do_not_need():
    allowance = Allowance(1 << 20)

    def meanwhile() -> None:
        assert read(allowance, FREE_BYTES) == FREE_BYTES
        with pytest.raises(TooManyBodiesError):
            read(allowance, 512 << 10)

    assert read(allowance, 1 << 20, meanwhile) == 1 << 20
    assert read(allowance, 1 << 20) == 1 << 20, "what was taken is returned"
