"""What a command says of a server that does not become ready."""

import os
import signal
import sys
from pathlib import Path

import pytest

from lowcloud.home import launcher, settings


def test_the_time_that_is_named_is_the_one_that_was_waited_after_an_upgrade(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = tmp_path / "server"
    server.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\necho '12:00 INFO lowcloud.store a step'\nexec sleep 600\n")
    server.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(server))
    monkeypatch.setattr(launcher, "UPGRADE_TIMEOUT_SECONDS", 1.0)
    said: list[str] = []
    with pytest.raises(
        launcher.CannotStartError, match=r"within 1 seconds after the last step of the upgrade.*\n.*a step"
    ):
        launcher.start(settings.load(tmp_path / "home", {}), report=said.append)
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert said == ["a step"]
