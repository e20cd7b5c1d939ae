"""A start that fails leaves a new home empty, and never deletes what was stored in it meanwhile."""

from pathlib import Path

import pytest

from lowcloud.core.storage.buckets import buckets
from lowcloud.home import failed_starts, server_process, settings
from lowcloud.server import server


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home as it is after a server has opened its store for the first time."""
    home = tmp_path / "home"
    server.open_context(settings.load(home, {})).database.close()
    return home


def test_what_a_start_made_in_a_new_home_is_deleted(home: Path) -> None:
    (home / "lost+found").mkdir()
    failed_starts.undo(home)
    assert [path.name for path in home.iterdir()] == ["lost+found"]
    assert settings.load(home, {}).is_new


def test_a_home_with_rows_is_kept(home: Path) -> None:
    context = server.open_context(settings.load(home, {}))
    buckets.create(context, "bucket")
    context.database.close()
    failed_starts.undo(home)
    assert (home / "keys" / "encryption.key").exists()
    context = server.open_context(settings.load(home, {}))
    assert buckets.find(context, "bucket").name == "bucket"
    context.database.close()


@pytest.mark.parametrize("file", ["data/objects/ab/blob", "notes.txt"])
def test_a_home_with_objects_or_with_unknown_files_is_kept(home: Path, file: str) -> None:
    (home / file).parent.mkdir(parents=True, exist_ok=True)
    (home / file).write_text("mine")
    failed_starts.undo(home)
    assert (home / file).read_text() == "mine"
    assert not settings.load(home, {}).is_new


def test_a_database_that_cannot_be_read_is_kept(home: Path) -> None:
    (home / "data" / "lowcloud.db").write_bytes(b"damaged" * 1000)
    failed_starts.undo(home)
    assert (home / "data" / "lowcloud.db").read_bytes() == b"damaged" * 1000


def test_a_home_on_which_a_server_runs_is_kept(home: Path) -> None:
    with server_process.lock_home(home):
        failed_starts.undo(home)
    assert (home / "keys" / "encryption.key").exists()


def test_refused_settings_leave_no_home_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="twelve digits"):
        settings.load(tmp_path, {"LOWCLOUD_ACCOUNT_ID": "1"})
    assert not list(tmp_path.iterdir())


def test_a_home_that_another_start_has_opened_meanwhile_is_kept(tmp_path: Path) -> None:
    loaded = settings.load(tmp_path / "home", {})
    settings.save_port(loaded, 4900)
    failed_starts.undo(loaded.home)
    assert (loaded.home / "keys" / "encryption.key").exists()


def test_what_a_link_in_the_place_of_a_folder_leads_to_is_kept(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "thesis.tex").write_text("years of work")
    home = settings.load(tmp_path / "home", {}).home
    (home / "client").symlink_to(tmp_path / "outside")
    failed_starts.undo(home)
    assert not list(home.iterdir())
    assert (tmp_path / "outside" / "thesis.tex").exists()
