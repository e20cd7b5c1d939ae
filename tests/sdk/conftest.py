"""Fixtures for tests of the Python SDK."""

import pytest

from tests.support.servers.server import Server


@pytest.fixture
def at_home(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The running cloud, which the SDK in this process finds by LOWCLOUD_HOME."""
    monkeypatch.setenv("LOWCLOUD_HOME", str(server.home))
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    return server
