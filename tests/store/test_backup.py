"""Backups of a store, and stores made from them."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lowcloud import upkeep
from lowcloud.core import buckets, objects, scrub
from lowcloud.core.cloud import Cloud
from lowcloud.core.deletions import delete
from lowcloud.store import backup
from lowcloud.store.backup import NoBackup
from lowcloud.store.holds import HeldAlready
from tests.conftest import make_cloud
from tests.running import wait_for

BUCKET = "shelf"
LARGE = b"l" * 200_000


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    made = make_cloud(tmp_path / "home")
    buckets.create(made, BUCKET)
    for key, content in CONTENTS.items():
        objects.put(made, BUCKET, key, [content])
    yield made
    made.database.close()


CONTENTS = {"small": b"s", "large": LARGE, "other": LARGE[1:]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backup"


def back_up(cloud: Cloud, folder: Path, with_keys: bool = False) -> None:
    upkeep.backup(folder, with_keys, home=cloud.settings.home)


def check_restored(home: Path, contents: dict[str, bytes]) -> None:
    cloud = make_cloud(home)
    for key, content in contents.items():
        assert b"".join(objects.get(cloud, BUCKET, key)[1]) == content
    tally = scrub.Tally()
    assert list(scrub.scrub(cloud, tally)) == []
    assert tally.leftovers == 0
    cloud.database.close()


def blobs(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in folder.glob("objects/*/*")}


def test_a_backup_with_keys_becomes_a_home(cloud: Cloud, folder: Path, tmp_path: Path) -> None:
    back_up(cloud, folder, with_keys=True)
    backup.restore(folder, tmp_path / "new", backup.find(folder))
    check_restored(tmp_path / "new", CONTENTS)
    assert (tmp_path / "new" / "keys").stat().st_mode & 0o777 == 0o700
    assert {path.name for path in (tmp_path / "new").iterdir()} >= {"keys", "data"}


def test_a_backup_without_keys_becomes_a_home_where_they_are_put_first(
    cloud: Cloud, folder: Path, tmp_path: Path
) -> None:
    back_up(cloud, folder)
    assert not (folder / "keys").exists()
    with pytest.raises(NoBackup, match="no keys"):
        backup.restore(folder, tmp_path / "new", backup.find(folder))
    shutil.copytree(cloud.settings.home / "keys", tmp_path / "new" / "keys")
    backup.restore(folder, tmp_path / "new", backup.find(folder))
    check_restored(tmp_path / "new", CONTENTS)


def test_keys_of_another_home_are_refused(cloud: Cloud, folder: Path, tmp_path: Path) -> None:
    back_up(cloud, folder)
    make_cloud(tmp_path / "other").database.close()
    shutil.copytree(tmp_path / "other" / "keys", tmp_path / "new" / "keys")
    with pytest.raises(NoBackup, match="key is another"):
        backup.restore(folder, tmp_path / "new", backup.find(folder))


def test_a_restore_overwrites_nothing(cloud: Cloud, folder: Path) -> None:
    back_up(cloud, folder, with_keys=True)
    with pytest.raises(NoBackup, match="not empty"):
        backup.restore(folder, cloud.settings.home, backup.find(folder))
    assert b"".join(objects.get(cloud, BUCKET, "large")[1]) == LARGE


def test_the_next_backup_copies_what_is_new_and_drops_what_is_gone(cloud: Cloud, folder: Path, tmp_path: Path) -> None:
    back_up(cloud, folder, with_keys=True)
    before = blobs(folder)
    objects.put(cloud, BUCKET, "new", [LARGE])
    delete(cloud, BUCKET, "other")
    back_up(cloud, folder)
    after = blobs(folder)
    assert len(before) == len(after) == 2
    assert len(before.items() & after.items()) == 1
    assert not (folder / "keys").exists()
    assert len(list(folder.glob("lowcloud-*"))) == 1
    shutil.copytree(cloud.settings.home / "keys", tmp_path / "new" / "keys")
    backup.restore(folder, tmp_path / "new", backup.find(folder))
    check_restored(tmp_path / "new", {"small": b"s", "large": LARGE, "new": LARGE})


def test_a_backup_that_was_cut_short_does_not_count_and_the_one_before_does(
    cloud: Cloud, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PowerFailure(BaseException):
        pass

    def fail(*_: object) -> None:
        raise PowerFailure

    for contents in (None, dict(CONTENTS)):
        with monkeypatch.context() as patch, pytest.raises(PowerFailure):
            patch.setattr(backup, "_write", fail)
            back_up(cloud, folder, with_keys=True)
        if contents is None:
            with pytest.raises(NoBackup, match="finished"):
                backup.find(folder)
            back_up(cloud, folder, with_keys=True)
            objects.put(cloud, BUCKET, "later", [LARGE])
            delete(cloud, BUCKET, "large")
        else:
            backup.restore(folder, tmp_path / "new", backup.find(folder))
            check_restored(tmp_path / "new", contents)


def test_a_restore_that_was_cut_short_leaves_nothing_that_could_be_served_and_can_be_repeated(
    cloud: Cloud, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PowerFailure(BaseException):
        pass

    back_up(cloud, folder)
    new = tmp_path / "new"
    shutil.copytree(cloud.settings.home / "keys", new / "keys")
    really_sync, syncs = backup.sync_folder, 0
    for moment in range(100):

        def fail_at_the_moment(path: Path, moment: int = moment) -> None:
            nonlocal syncs
            syncs += 1
            if syncs > moment:
                raise PowerFailure
            really_sync(path)

        syncs = 0
        try:
            with monkeypatch.context() as patch:
                patch.setattr(backup, "sync_folder", fail_at_the_moment)
                backup.restore(folder, new, backup.find(folder))
        except PowerFailure:
            if (new / "keys").exists():
                break  # the last sync of all
            with pytest.raises(ValueError, match="no home"):
                make_cloud(new)
        else:
            break
    assert moment > 3
    check_restored(new, CONTENTS)


def test_a_folder_that_holds_something_else_is_left_alone(cloud: Cloud, folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (folder / "thesis.db").write_bytes(b"years of work")
    with pytest.raises(NoBackup, match="thesis"):
        backup.begin(cloud.settings.data, folder)
    (folder / "thesis.db").unlink()
    other = make_cloud(tmp_path / "other")
    back_up(other, folder)
    other.database.close()
    with pytest.raises(NoBackup, match="another store"):
        backup.begin(cloud.settings.data, folder)


def test_what_is_deleted_while_a_backup_runs_keeps_its_files_until_it_has_ended(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    others = make_cloud(cloud.settings.home)  # as another process has them
    data = cloud.settings.data
    with cloud.files.hold():
        with pytest.raises(HeldAlready), others.files.hold():
            pass
        delete(others, BUCKET, "large")
        objects.put(others, BUCKET, "other", [b"now small"])
        objects.sweep(others)
        assert len(blobs(data)) == 2
        upkeep.check(as_json=True, home=cloud.settings.home)  # which would raise Exit, had it found damage
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
def test_nobody_else_can_read_a_backup_or_what_is_made_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = make_cloud(tmp_path / "home")
    buckets.create(cloud, BUCKET)
    objects.put(cloud, BUCKET, "large", [LARGE])
    check_private(cloud.settings.data)
    assert len(list(cloud.settings.data.glob("lowcloud.db-*"))) == 3
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
    monkeypatch.setattr(upkeep, "_verified", look(upkeep._verified))
    folder = tmp_path / "new" / "backup"
    back_up(cloud, folder, with_keys=True)
    cloud.database.close()
    assert len(moments) > 6
    backup.restore(folder, tmp_path / "new" / "homes" / "one", backup.find(folder))
    check_private(tmp_path / "new")
