"""When a file of running work is stored: once for every change, and not while it is being written."""

import time

import pytest

from lowcloud.core.staging import output_sync
from lowcloud.core.staging.output_sync import StoredFiles
from lowcloud.engine.work import FileEntry


def written(seconds_ago: float, size: int = 1) -> FileEntry:
    return FileEntry("weights", size, int((time.time() - seconds_ago) * 1e9))


def test_a_file_is_stored_once_it_has_settled_and_again_when_it_changes():
    files, settled = StoredFiles(), written(10)
    assert not files.should_store("w", "weights", written(0), is_final=False)
    assert files.should_store("w", "weights", settled, is_final=False)
    files.add("w", "weights", settled)
    assert not files.should_store("w", "weights", settled, is_final=True)
    assert files.should_store("w", "weights", written(9, size=2), is_final=False)
    files.forget("w")
    assert files.should_store("w", "weights", settled, is_final=False)


def test_a_file_is_stored_at_the_end_however_young_it_is():
    assert StoredFiles().should_store("w", "weights", written(0), is_final=True)


def test_a_file_that_never_settles_is_stored_all_the_same(monkeypatch: pytest.MonkeyPatch):
    files = StoredFiles()
    assert not files.should_store("w", "log", written(0), is_final=False)
    monkeypatch.setattr(output_sync, "MAX_DELAY_SECONDS", 0.0)
    assert files.should_store("w", "log", written(0), is_final=False)


def test_files_are_looked_at_no_more_often_than_a_look_is_worth():
    files = StoredFiles()
    assert files.is_scan_due("w")
    with files.scanning("w"):
        pass
    assert not files.is_scan_due("w")
    assert files.is_scan_due("another")
