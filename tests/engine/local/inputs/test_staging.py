"""Staging of inputs into the folder of a replica."""

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lowcloud.engine.local.inputs.staging import stage_files
from lowcloud.engine.local.replica import Owner
from lowcloud.engine.work import Input, Replica, StagingError

ME = Owner(os.geteuid(), os.getegid())


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, link, mode
    return info


def packed(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def unpack(base: Path, data: bytes) -> None:
    base.mkdir(exist_ok=True)
    replica = Replica(archives=(Input("model", "s3://b/model.tar.gz", len(data)),))
    stage_files(replica, base, lambda source: iter([data[:100], data[100:]]), ME)


def lay_input(base: Path, path: str, size: int = 3, content: bytes = b"abc") -> None:
    base.mkdir(exist_ok=True)
    stage_files(Replica(inputs=(Input(path, "s3://b/key", size),)), base, lambda source: iter([content]), ME)


def test_files_inputs_and_the_usual_folders_are_staged(tmp_path: Path) -> None:
    lay_input(tmp_path / "base", "input/data/train/a/b.csv")
    assert (tmp_path / "base/input/data/train/a/b.csv").read_bytes() == b"abc"
    assert (tmp_path / "base/model").is_dir()
    assert (tmp_path / "base/output/data").is_dir()


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/etc/x", "", "a/\0b"])
def test_a_path_that_leads_elsewhere_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(StagingError, match="is not a valid path"):
        lay_input(tmp_path / "base", path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["base"]


def test_a_name_too_long_for_the_file_system_is_named(tmp_path: Path) -> None:
    with pytest.raises(StagingError, match="File name too long"):
        lay_input(tmp_path / "base", "input/" + "x" * 300)


def test_an_input_of_another_size_than_announced_fails(tmp_path: Path) -> None:
    with pytest.raises(StagingError, match="has 3 bytes; 4 were expected"):
        lay_input(tmp_path / "base", "input/x", size=4)


def test_two_inputs_that_cannot_both_be_files_fail(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    replica = Replica(inputs=(Input("input/a", "s3://b/a", 1), Input("input/a/b", "s3://b/a/b", 1)))
    with pytest.raises(StagingError, match="'input/a/b' could not be written"):
        stage_files(replica, tmp_path / "base", lambda source: iter([b"x"]), ME)


def test_an_archive_is_unpacked_with_its_folders_links_and_executables(tmp_path: Path) -> None:
    unpack(
        tmp_path / "base",
        packed(
            (member("./", tarfile.DIRTYPE), b""),
            (member("./code/run.sh", mode=0o755), b"#!/bin/sh"),
            (member("weights"), bytes(100_000)),
            (member("code/latest", tarfile.SYMTYPE, "../weights"), b""),
        ),
    )
    model = tmp_path / "base" / "model"
    assert (model / "weights").stat().st_size == 100_000
    assert (model / "code/latest").resolve() == (model / "weights").resolve()
    assert os.access(model / "code/run.sh", os.X_OK)


def test_an_archive_may_name_its_own_folder_as_the_sdk_does_when_it_repacks_a_model(tmp_path: Path) -> None:
    unpack(tmp_path / "base", packed((member("/", tarfile.DIRTYPE), b""), (member("weights"), b"x")))
    assert (tmp_path / "base" / "model" / "weights").read_bytes() == b"x"


def test_names_of_any_alphabet_and_hard_links_are_unpacked(tmp_path: Path) -> None:
    names = ["é", "e\u0301", "\u202egpj.exe", "a\nb", "\udcff", "..."]
    linked = member("linked", tarfile.LNKTYPE, "é")
    unpack(tmp_path / "base", packed(*((member(name), b"x") for name in names), (linked, b"")))
    model = tmp_path / "base" / "model"
    assert sorted(path.name for path in model.iterdir()) == sorted([*names, "linked"])
    assert (model / "linked").samefile(model / "é")


def test_many_inputs_are_staged_by_several_threads(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    inputs = tuple(Input(f"input/{number % 7}/{number}", f"{number}", len(str(number))) for number in range(2000))
    stage_files(Replica(inputs=inputs), tmp_path / "base", lambda source, *_: iter([source.encode()]), ME)
    assert all((tmp_path / "base" / item.path).read_text() == item.source for item in inputs)


def test_one_input_of_many_that_fails_ends_the_staging_with_its_reason(tmp_path: Path) -> None:
    def fetch(source: str, *_: object) -> Iterator[bytes]:
        if source == "1234":
            raise StagingError("1234 is damaged")
        yield b"x"

    (tmp_path / "base").mkdir()
    inputs = tuple(Input(f"input/{number}", f"{number}", 1) for number in range(2000))
    with pytest.raises(StagingError, match="1234 is damaged"):
        stage_files(Replica(inputs=inputs), tmp_path / "base", fetch, ME)


HOSTILE = {
    "an absolute name": packed((member("/tmp/evil"), b"x")),
    "an absolute folder": packed((member("/tmp", tarfile.DIRTYPE), b"")),
    "a name that climbs": packed((member("../../evil"), b"x")),
    "an absolute link": packed((member("link", tarfile.SYMTYPE, "/etc"), b"")),
    "a link that climbs": packed((member("a/link", tarfile.SYMTYPE, "../../evil"), b"")),
    "a link that climbs late": packed((member("a/link", tarfile.SYMTYPE, "b/../../../evil"), b"")),
    "a file through a link": packed((member("link", tarfile.SYMTYPE, "."), b""), (member("link/evil"), b"x")),
    "a hard link": packed((member("link", tarfile.LNKTYPE, "/etc/passwd"), b"")),
    "a device": packed((member("device", tarfile.CHRTYPE), b"")),
    "a pipe": packed((member("pipe", tarfile.FIFOTYPE), b"")),
    "a hard link that climbs": packed((member("a/link", tarfile.LNKTYPE, "../../evil"), b"")),
    "a hard link to nothing": packed((member("link", tarfile.LNKTYPE, "nothing"), b"")),
    "a hard link through a link": packed(
        (member("out", tarfile.SYMTYPE, "."), b""), (member("link", tarfile.LNKTYPE, "out/out"), b"")
    ),
    "a file where a folder is": packed((member("a/b"), b"x"), (member("a"), b"y")),
    "a folder where a file is": packed((member("a"), b"x"), (member("a/b"), b"y")),
    "a folder in place of a file": packed((member("a"), b"x"), (member("a", tarfile.DIRTYPE), b"")),
    "a name too long": packed((member("x" * 300), b"x")),
    "the same file twice": packed((member("a"), b"x"), (member("a"), b"y")),
    "no archive": b"this is not an archive at all",
    "an empty object": b"",
    "half an archive": packed((member("weights"), os.urandom(100_000)))[:50_000],
    "a damaged archive": packed((member("weights"), bytes(1000)))[:-20] + bytes(20),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_archive_is_refused_and_nothing_is_written_outside(tmp_path: Path, kind: str) -> None:
    with pytest.raises(StagingError):
        unpack(tmp_path / "base", HOSTILE[kind])
    assert [entry.name for entry in tmp_path.iterdir()] == ["base"]
    assert not list(tmp_path.rglob("evil"))


def test_a_bomb_is_refused_before_it_fills_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lowcloud.engine.local.inputs.staging.ARCHIVE_ALLOWANCE_BYTES", 1 << 20)
    with pytest.raises(StagingError, match="unpacks to more than"):
        unpack(tmp_path / "base", packed((member("zeros"), bytes(50 << 20))))
    assert not (tmp_path / "base/model/zeros").exists()


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="mounting a small disk needs root on Linux")
def test_a_full_disk_fails_the_staging_with_that_reason(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], check=True)
    try:
        with pytest.raises(StagingError, match=r"'input/x' could not be written.*No space left on device"):
            lay_input(small / "base", "input/x", 3 << 20, bytes(3 << 20))
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_fetch_that_breaks_in_the_middle_fails_the_staging(tmp_path: Path) -> None:
    def fetch(source: str) -> Iterator[bytes]:
        yield b"ab"
        raise OSError(5, "Input/output error")

    (tmp_path / "base").mkdir()
    with pytest.raises(StagingError, match="Input/output error"):
        stage_files(Replica(inputs=(Input("input/x", "s3://b/x", 3),)), tmp_path / "base", fetch, ME)
