"""Fixtures for tests of the Python SDK."""

import pytest

from tests.running import RunningCloud


@pytest.fixture
def at_home(running_cloud: RunningCloud, monkeypatch: pytest.MonkeyPatch) -> RunningCloud:
    """The running cloud, which the SDK in this process finds by LOWCLOUD_HOME."""
    monkeypatch.setenv("LOWCLOUD_HOME", str(running_cloud.home))
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    return running_cloud
