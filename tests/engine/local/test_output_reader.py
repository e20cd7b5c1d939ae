"""Output reader: files of a replica, read while a program writes them."""

import io
import os
import tarfile
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from lowcloud.engine.local.output_reader import archive, list_files, read_prefix, stream_file


def members(packed: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(packed)) as opened:
        return {info.name: info for info in opened.getmembers()}


def test_a_file_is_read_up_to_the_limit(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    (tmp_path / "output/failure").write_text("a sentence")
    assert read_prefix(tmp_path, "output/failure", 100) == b"a sentence"
    assert read_prefix(tmp_path, "output/failure", 3) == b"a s"


def test_no_link_leads_the_reader_out(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    base = tmp_path / "base"
    base.mkdir()
    (base / "failure").symlink_to("../secret")
    (base / "output").symlink_to("..")
    assert read_prefix(base, "failure", 10) is None
    assert read_prefix(base, "output/secret", 10) is None
    with pytest.raises(OSError, match="output"):
        list(archive([base], "output"))


def test_only_regular_files_are_read_without_blocking(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    assert read_prefix(tmp_path, "pipe", 10) is None
    assert read_prefix(tmp_path, "folder", 10) is None


def test_no_path_leads_the_reader_out(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    base = tmp_path / "base"
    (base / "model").mkdir(parents=True)
    for path in ("../secret", "model/../../secret", str(tmp_path / "secret"), "..", "/"):
        assert read_prefix(base, path, 10) is None
        with pytest.raises(OSError):
            stream_file(base, path)
    for path in ("..", "model/../..", str(tmp_path)):
        with pytest.raises(OSError, match="leads out"):
            list_files(base, path)


def test_a_listing_contains_the_regular_files_at_any_depth_with_size_and_time(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    (folder / "epoch-1" / "deep").mkdir(parents=True)
    (folder / "epoch-1" / "deep" / "weights").write_bytes(bytes(300))
    (folder / "a").touch()
    os.utime(folder / "a", ns=(5, 1_700_000_000_123_456_789))
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("a")
    (folder / "out").symlink_to("/etc")
    found = list_files(tmp_path, "checkpoints")
    assert [(entry.path, entry.size_bytes) for entry in found] == [("a", 0), ("epoch-1/deep/weights", 300)]
    assert found[0].modified_ns == 1_700_000_000_123_456_789
    assert list_files(tmp_path, "missing") == list_files(tmp_path, "checkpoints/a") == list_files(folder, "out") == ()


def test_a_folder_without_an_end_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "/".join(["d"] * 250)).mkdir(parents=True)
    with pytest.raises(OSError, match="nested folders"):
        list_files(tmp_path, "")


def test_a_file_is_read_to_the_size_that_it_had_and_ends_early_where_it_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3_000_000)
    chunks = stream_file(tmp_path, "file")
    first = next(chunks)
    with path.open("ab") as file:
        file.write(b"more")
    assert first + b"".join(chunks) == b"x" * 3_000_000
    chunks = stream_file(tmp_path, "file")
    first = next(chunks)
    path.write_bytes(b"")
    assert len(first + b"".join(chunks)) < 3_000_004


def test_only_existing_regular_files_that_are_not_behind_links_are_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to("secret")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError):
        stream_file(tmp_path, "missing")
    for path in ("link", "pipe", ""):
        with pytest.raises(OSError):
            stream_file(tmp_path, path)


def test_files_may_appear_and_disappear_while_they_are_listed_and_read(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "stays").write_text("stays")
    end = threading.Event()

    def churn() -> None:
        while not end.is_set():
            (tmp_path / "sub" / "file").write_bytes(bytes(100))
            (tmp_path / "sub" / "file").unlink()
            (tmp_path / "sub").rmdir()
            (tmp_path / "sub").symlink_to("/etc")
            (tmp_path / "sub").unlink()
            (tmp_path / "sub").mkdir()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(300):
            entries = {entry.path for entry in list_files(tmp_path, "")}
            assert "stays" in entries and entries <= {"stays", "sub/file"}
            with suppress(OSError):
                assert len(b"".join(stream_file(tmp_path, "sub/file"))) in (0, 100)
    finally:
        end.set()
        thread.join()


def test_an_archive_keeps_links_and_omits_special_files(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    os.mkfifo(model / "pipe")
    (model / "passwords").symlink_to("/etc/passwd")
    (model / ("é" * 60)).write_text("long")
    (model / "bytes-\udcff").write_text("no text")
    found = members(b"".join(archive([tmp_path], "model")))
    assert sorted(found) == sorted(["passwords", "é" * 60, "bytes-\udcff"])
    assert found["passwords"].issym()
    assert all((info.uid, info.gid, info.uname) == (0, 0, "") for info in found.values())


def test_a_file_that_shrinks_while_it_is_packed_is_filled_up(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/a").write_bytes(os.urandom(3 << 20))
    (tmp_path / "model/b").write_text("after it")
    chunks = archive([tmp_path], "model")
    first = next(chunks)
    os.truncate(tmp_path / "model/a", 0)
    packed = b"".join([first, *chunks])
    assert members(packed)["a"].size == 3 << 20
    with tarfile.open(fileobj=io.BytesIO(packed)) as opened:
        content = opened.extractfile("b")
        assert content is not None and content.read() == b"after it"


def test_folders_without_end_are_refused(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d", dir_fd=folder)
        folder, parent = os.open("d", os.O_RDONLY, dir_fd=folder), folder
        os.close(parent)
    os.close(folder)
    with pytest.raises(OSError, match="nested folders"):
        list(archive([tmp_path], "d"))
