"""Fuzzing: thousands of signed, nearly valid requests never cause a server error or a hang."""

import asyncio
import time
from datetime import UTC, datetime

import pytest

from lowcloud.api.aws.gateway import Gateway
from lowcloud.api.aws.operations import OPERATIONS
from tests.support.servers.hostile import Hostile, RequestGenerator, scope_of

SERVICES = sorted({service for service, _ in OPERATIONS})
HANG_SECONDS = 20


async def ask(gateway: Gateway, hostile: Hostile) -> tuple[int, bytes]:
    """Return status and body of the response."""
    sent = []
    coming = [{"type": "http.request", "body": hostile.body, "more_body": False}]

    async def receive():
        if coming:
            return coming.pop()
        await asyncio.sleep(3600)
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    await asyncio.wait_for(gateway(scope_of(hostile.request), receive, send), HANG_SECONDS)
    assert all(b"\n" not in value and b"\r" not in value for _, value in sent[0]["headers"])
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


async def ask_many(gateway: Gateway, service: str, seed: int, count: int) -> dict[int, int]:
    """How often each status came; fails on a 5xx that does not say "not built" ."""
    anonymous_client, statuses = RequestGenerator(service, seed), {}
    for _ in range(count):
        hostile = anonymous_client.request(datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"))
        started = time.monotonic()
        status, body = await ask(gateway, hostile)
        assert status < 500 or status == 501, f"{status} {body[:300]!r} for {hostile.what}"
        assert time.monotonic() - started < HANG_SECONDS / 2, hostile.what
        statuses[status] = statuses.get(status, 0) + 1
    return statuses


@pytest.mark.parametrize("service", SERVICES)
def test_nearly_valid_requests_never_cause_a_server_error(gateway, service):
    statuses = asyncio.run(ask_many(gateway, service, seed=1, count=2000))
    assert statuses.get(400, 0) > 100, statuses


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES)
def test_ten_thousand_nearly_valid_requests_never_cause_a_server_error(gateway, service):
    asyncio.run(ask_many(gateway, service, seed=2, count=10_000))
