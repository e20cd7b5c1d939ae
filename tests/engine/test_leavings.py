import io
import os
import tarfile
from pathlib import Path

import pytest

from lowcloud.engine.leavings import archive, read_beneath


def members(packed: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(packed)) as opened:
        return {info.name: info for info in opened.getmembers()}


def test_a_file_is_read_up_to_the_limit(tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    (tmp_path / "output/failure").write_text("a sentence")
    assert read_beneath(tmp_path, "output/failure", 100) == b"a sentence"
    assert read_beneath(tmp_path, "output/failure", 3) == b"a s"


def test_no_link_leads_the_reader_out(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    base = tmp_path / "base"
    base.mkdir()
    (base / "failure").symlink_to("../secret")
    (base / "output").symlink_to("..")
    assert read_beneath(base, "failure", 10) is None
    assert read_beneath(base, "output/secret", 10) is None
    with pytest.raises(OSError, match="output"):
        list(archive(base, "output"))


def test_what_is_no_regular_file_is_not_read_and_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    assert read_beneath(tmp_path, "pipe", 10) is None
    assert read_beneath(tmp_path, "folder", 10) is None


def test_an_archive_keeps_links_as_links_and_leaves_out_what_is_no_file(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    os.mkfifo(model / "pipe")
    (model / "passwords").symlink_to("/etc/passwd")
    (model / ("é" * 60)).write_text("long")
    (model / "bytes-\udcff").write_text("no text")
    found = members(b"".join(archive(tmp_path, "model")))
    assert sorted(found) == sorted(["passwords", "é" * 60, "bytes-\udcff"])
    assert found["passwords"].issym()
    assert all((info.uid, info.gid, info.uname) == (0, 0, "") for info in found.values())


def test_a_file_that_shrinks_while_it_is_packed_is_filled_up(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model/a").write_bytes(os.urandom(3 << 20))
    (tmp_path / "model/b").write_text("after it")
    chunks = archive(tmp_path, "model")
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
    with pytest.raises(OSError, match="folders deep"):
        list(archive(tmp_path, "d"))
