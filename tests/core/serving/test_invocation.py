"""Invocations while endpoints of one name come and go, in this process and in others."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from lowcloud.core import resources
from lowcloud.core.context import Context, ReadCache
from lowcloud.core.errors import InvalidError, NotFoundError
from lowcloud.core.serving import endpoint_configurations, endpoints, invocation, models
from lowcloud.core.serving.endpoint_configurations import Configuration
from lowcloud.core.serving.endpoint_records import EndpointState, Variant
from lowcloud.core.serving.endpoints import ENDPOINT
from lowcloud.core.serving.models import Model
from lowcloud.home.settings import EXECUTION_ROLE
from lowcloud.store.db.tables import serving as tables

NAME = "reused"


class Replicas:
    """The engine's view of replicas: the addresses of those that run."""

    def __init__(self) -> None:
        self.addresses: dict[str, str] = {}

    def address(self, work_id: str, _replica: int) -> str | None:
        return self.addresses.get(work_id)


@pytest.fixture
def process(context: Context) -> Context:
    """A worker process that answers requests, which nobody notifies of changes, as if they were made by others."""
    models.create(context, Model("hollow", 0.0, "linear-learner:1", EXECUTION_ROLE, "s3://nowhere/model.tar.gz"))
    configuration = Configuration("hollow", 0.0, (Variant("all", "hollow", "ml.m4.xlarge"),))
    endpoint_configurations.create(context, configuration)
    engine: Any = Replicas()
    return replace(context, engine=engine, cache=ReadCache())


@pytest.fixture(autouse=True)
def unsubscribed(process: Context) -> Iterator[None]:
    process.wake.unsubscribe(process.cache.clear)
    return


def deploy(context: Context, process: Context, folder: Path, state: EndpointState = EndpointState.IN_SERVICE) -> str:
    """Create the endpoint anew, as another process does, and return the address of its replica."""
    with context.database.transaction() as connection:
        connection.execute(delete(tables.endpoints))
    endpoints.create(context, NAME, "hollow")
    set_state(context, state)
    [work_id] = resources.find(context, ENDPOINT, NAME).work_ids()["all"]
    path = folder / f"{len(list(folder.iterdir()))}"
    process.engine.addresses.clear()  # type: ignore[attr-defined]
    process.engine.addresses[work_id] = f"unix:{path}"  # type: ignore[attr-defined]
    return str(path)


def set_state(context: Context, state: EndpointState) -> None:
    with context.database.transaction() as connection:
        connection.execute(update(tables.endpoints).values(state=state))


async def serve(path: str, answer: bytes) -> asyncio.Server:
    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(answer), answer))
        writer.close()

    return await asyncio.start_unix_server(respond, path)


async def invoke(process: Context) -> bytes:
    return (await invocation.invoke(process, NAME, b"", {}))[1].body


def test_an_endpoint_made_anew_by_another_process_answers_at_once(context, process, tmp_path, monkeypatch):
    monkeypatch.setattr(invocation, "CACHE_SECONDS", 1000.0)

    async def run() -> list[bytes]:
        answers = []
        for answer in (b"first", b"second"):
            async with await serve(deploy(context, process, tmp_path), answer):
                answers.append(await invoke(process))
        return answers

    assert asyncio.run(run()) == [b"first", b"second"]


def test_an_endpoint_that_another_process_has_deleted_is_not_waited_for(context, process, tmp_path, monkeypatch):
    monkeypatch.setattr(invocation, "REPLICA_WAIT_SECONDS", 20.0)

    async def run() -> None:
        async with await serve(deploy(context, process, tmp_path), b"first"):
            await invoke(process)
        process.engine.addresses.clear()
        set_state(context, EndpointState.DELETING)
        with pytest.raises(InvalidError, match="deleting"):
            await invoke(process)
        with context.database.transaction() as connection:
            connection.execute(delete(tables.endpoints))
        with pytest.raises(NotFoundError):
            await invoke(process)

    asyncio.run(run())


def test_an_endpoint_that_another_process_has_put_in_service_answers_at_once(context, process, tmp_path):
    async def run() -> bytes:
        path = deploy(context, process, tmp_path, EndpointState.CREATING)
        with pytest.raises(InvalidError, match="creating"):
            await invoke(process)
        set_state(context, EndpointState.IN_SERVICE)
        async with await serve(path, b"ready"):
            return await invoke(process)

    assert asyncio.run(run()) == b"ready"


def test_a_dead_address_is_looked_up_again_until_a_replica_answers(context, process, tmp_path):
    async def run() -> bytes:
        path = deploy(context, process, tmp_path)
        request = asyncio.create_task(invoke(process))
        for _ in range(3):
            await asyncio.sleep(0)  # it has found that nothing listens there
        async with await serve(path, b"restarted"):
            return await request

    assert asyncio.run(run()) == b"restarted"
