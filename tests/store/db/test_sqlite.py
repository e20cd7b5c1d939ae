"""Behaviour specific to SQLite."""

import fcntl
import threading
from pathlib import Path

import pytest

from lowcloud.store.db.sqlite import Writer


def test_a_failed_lock_does_not_block_the_next_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("no locks left")

    writer = Writer(str(tmp_path / "rows.db"))
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", fail)
        with pytest.raises(OSError, match="no locks"), writer:
            pass

    def write() -> None:
        with writer:
            pass

    writing = threading.Thread(target=write, daemon=True)
    writing.start()
    writing.join(5)
    assert not writing.is_alive()
    writer.close()
