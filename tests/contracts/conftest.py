"""Fixtures of the contracts: each engine, and the objects that it fetches."""

from collections.abc import Iterator

import pytest

from lowcloud.engine.work import Engine, StagingError
from tests.support.engines import MakeEngine


@pytest.fixture
def objects() -> dict[str, bytes]:
    """The objects that the engine can fetch, by source."""
    return {}


@pytest.fixture(params=["local"])
def engine(make_engine: MakeEngine, objects: dict[str, bytes]) -> Engine:
    def fetch(source: str) -> Iterator[bytes]:
        if source not in objects:
            raise StagingError(f"{source} does not exist.")
        data = objects[source]
        for start in range(0, len(data), 1000):
            yield data[start : start + 1000]

    return make_engine(fetch)
