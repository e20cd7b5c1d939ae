"""Backups and restores."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lowcloud.cli import maintenance
from lowcloud.core.context import Context
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.integrity import scrub
from lowcloud.core.storage.objects import objects
from lowcloud.core.storage.objects.deletions import delete
from lowcloud.store import backup
from lowcloud.store.backup import BackupError
from lowcloud.store.blobs.deletion_lock import AlreadyLockedError
from tests.support.faults import PowerFailureError
from tests.support.servers.gateways import make_context
from tests.support.waiting import wait_for

BUCKET = "shelf"
LARGE = b"l" * 200_000


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    made = make_context(tmp_path / "home")
    buckets.create(made, BUCKET)
    for key, content in CONTENTS.items():
        objects.put(made, BUCKET, key, [content])
    yield made
    made.database.close()


CONTENTS = {"small": b"s", "large": LARGE, "other": LARGE[1:]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backup"


def back_up(context: Context, folder: Path, with_keys: bool = False) -> None:
    maintenance.backup(folder, with_keys, home=context.settings.home)


def check_restored(home: Path, contents: dict[str, bytes]) -> None:
    context = make_context(home)
    for key, content in contents.items():
        assert b"".join(objects.get(context, BUCKET, key)[1]) == content
    tally = scrub.ScrubCounts()
    assert list(scrub.scrub(context, tally)) == []
    assert tally.leftovers == 0
    context.database.close()


def blobs(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in folder.glob("objects/*/*")}


def test_a_home_is_restored_from_a_backup_with_keys(context: Context, folder: Path, tmp_path: Path) -> None:
    back_up(context, folder, with_keys=True)
    backup.restore(folder, tmp_path / "new", backup.find(folder))
    check_restored(tmp_path / "new", CONTENTS)
    assert (tmp_path / "new" / "keys").stat().st_mode & 0o777 == 0o700
    assert {path.name for path in (tmp_path / "new").iterdir()} >= {"keys", "data"}


def test_a_home_is_restored_from_a_backup_without_keys_if_they_are_added_first(
    context: Context, folder: Path, tmp_path: Path
) -> None:
    back_up(context, folder)
    assert not (folder / "keys").exists()
    with pytest.raises(BackupError, match="does not contain the keys"):
        backup.restore(folder, tmp_path / "new", backup.find(folder))
    shutil.copytree(context.settings.home / "keys", tmp_path / "new" / "keys")
    backup.restore(folder, tmp_path / "new", backup.find(folder))
    check_restored(tmp_path / "new", CONTENTS)


def test_keys_of_another_home_are_refused(context: Context, folder: Path, tmp_path: Path) -> None:
    back_up(context, folder)
    make_context(tmp_path / "other").database.close()
    shutil.copytree(tmp_path / "other" / "keys", tmp_path / "new" / "keys")
    with pytest.raises(BackupError, match="different encryption key"):
        backup.restore(folder, tmp_path / "new", backup.find(folder))


def test_a_restore_overwrites_nothing(context: Context, folder: Path) -> None:
    back_up(context, folder, with_keys=True)
    with pytest.raises(BackupError, match="not empty"):
        backup.restore(folder, context.settings.home, backup.find(folder))
    assert b"".join(objects.get(context, BUCKET, "large")[1]) == LARGE


def test_the_next_backup_copies_new_blobs_and_deletes_old_ones(context: Context, folder: Path, tmp_path: Path) -> None:
    back_up(context, folder, with_keys=True)
    before = blobs(folder)
    objects.put(context, BUCKET, "new", [LARGE])
    delete(context, BUCKET, "other")
    back_up(context, folder)
    after = blobs(folder)
    assert len(before) == len(after) == 2
    assert len(before.items() & after.items()) == 1
    assert not (folder / "keys").exists()
    assert len(list(folder.glob("lowcloud-*"))) == 1
    shutil.copytree(context.settings.home / "keys", tmp_path / "new" / "keys")
    backup.restore(folder, tmp_path / "new", backup.find(folder))
    check_restored(tmp_path / "new", {"small": b"s", "large": LARGE, "new": LARGE})


def test_a_folder_that_is_not_there_is_no_backup(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BackupError, match=r"missing does not exist\. Give the folder that"):
        backup.find(tmp_path / "missing")
    with pytest.raises(BackupError, match="file is a file, but a backup is a folder"):
        backup.find(tmp_path / "file")


def test_an_interrupted_backup_is_ignored_and_the_previous_one_stays_valid(
    context: Context, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise PowerFailureError

    for contents in (None, dict(CONTENTS)):
        with monkeypatch.context() as patch, pytest.raises(PowerFailureError):
            patch.setattr(backup, "_write", fail)
            back_up(context, folder, with_keys=True)
        if contents is None:
            with pytest.raises(BackupError, match="no complete backup"):
                backup.find(folder)
            back_up(context, folder, with_keys=True)
            objects.put(context, BUCKET, "later", [LARGE])
            delete(context, BUCKET, "large")
        else:
            backup.restore(folder, tmp_path / "new", backup.find(folder))
            check_restored(tmp_path / "new", contents)


def test_an_interrupted_restore_leaves_no_usable_home_and_can_be_repeated(
    context: Context, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(context, folder)
    new = tmp_path / "new"
    shutil.copytree(context.settings.home / "keys", new / "keys")
    really_sync, syncs = backup.sync_folder, 0
    for moment in range(100):

        def fail_at_the_moment(path: Path, moment: int = moment) -> None:
            nonlocal syncs
            syncs += 1
            if syncs > moment:
                raise PowerFailureError
            really_sync(path)

        syncs = 0
        try:
            with monkeypatch.context() as patch:
                patch.setattr(backup, "sync_folder", fail_at_the_moment)
                backup.restore(folder, new, backup.find(folder))
        except PowerFailureError:
            if (new / "keys").exists():
                break  # the last sync of all
            with pytest.raises(ValueError, match="is not a Lowcloud home"):
                make_context(new)
        else:
            break
    assert moment > 3
    check_restored(new, CONTENTS)


def test_a_folder_with_other_content_is_refused(context: Context, folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (folder / "thesis.db").write_bytes(b"years of work")
    with pytest.raises(BackupError, match="thesis"):
        backup.begin(context.settings.data, folder)
    (folder / "thesis.db").unlink()
    other = make_context(tmp_path / "other")
    back_up(other, folder)
    other.database.close()
    with pytest.raises(BackupError, match="another store"):
        backup.begin(context.settings.data, folder)


def test_files_in_a_folder_of_the_same_name_are_not_taken_for_those_of_a_backup(context: Context, folder: Path) -> None:
    photo = folder / "objects" / "photos" / "cat.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(b"years of work")
    with pytest.raises(BackupError, match="'objects' of something else"):
        backup.begin(context.settings.data, folder)
    assert photo.exists()


def test_keys_that_were_saved_beside_a_backup_stay_and_its_own_are_removed(
    context: Context, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    back_up(context, folder)
    shutil.copytree(context.settings.home / "keys", folder / "keys")
    back_up(context, folder)
    assert (folder / "keys" / "encryption.key").exists()
    assert "is not part of the backup and stays" in " ".join(capsys.readouterr().out.split())
    back_up(context, folder, with_keys=True)
    back_up(context, folder)
    assert not (folder / "keys").exists()


def test_files_deleted_during_a_backup_stay_until_its_end(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    others = make_context(context.settings.home)  # as in another process
    data = context.settings.data
    with context.files.lock_deletions():
        with pytest.raises(AlreadyLockedError), others.files.lock_deletions():
            pass
        delete(others, BUCKET, "large")
        objects.put(others, BUCKET, "other", [b"now small"])
        objects.sweep(others)
        assert len(blobs(data)) == 2
        maintenance.check(as_json=True, home=context.settings.home)  # which would raise Exit, had it found damage
        assert json.loads(capsys.readouterr().out)["leftovers"] == 2
    wait_for(lambda: blobs(data) == {})
    others.database.close()


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def check_private(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.usefixtures("open_umask")
def test_backups_and_restored_homes_are_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = make_context(tmp_path / "home")
    buckets.create(context, BUCKET)
    objects.put(context, BUCKET, "large", [LARGE])
    check_private(context.settings.data)
    assert len(list(context.settings.data.glob("lowcloud.db-*"))) == 3
    moments = []

    def look(before: Callable[..., object]) -> Callable[..., object]:
        def looking(*arguments: Any) -> object:
            moments.append(before)
            result = before(*arguments)
            check_private(tmp_path / "new")
            return result

        return looking

    for step in ("begin", "snapshot", "copy_blobs", "finish", "_copy"):
        monkeypatch.setattr(backup, step, look(getattr(backup, step)))
    monkeypatch.setattr(maintenance, "_verify", look(maintenance._verify))
    folder = tmp_path / "new" / "backup"
    back_up(context, folder, with_keys=True)
    context.database.close()
    assert len(moments) > 6
    backup.restore(folder, tmp_path / "new" / "homes" / "one", backup.find(folder))
    check_private(tmp_path / "new")
