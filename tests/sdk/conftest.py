"""Fixtures of the short way: a program that finds the running cloud by its home, as a user's does."""

import pytest

from tests.support.running import RunningCloud


@pytest.fixture
def at_home(running_cloud: RunningCloud, monkeypatch: pytest.MonkeyPatch) -> RunningCloud:
    """The running cloud, which this process finds by LOWCLOUD_HOME."""
    monkeypatch.setenv("LOWCLOUD_HOME", str(running_cloud.home))
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    return running_cloud
