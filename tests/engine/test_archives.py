"""Archives are read as streams, and hostile ones are refused at little cost."""

import gzip
import io
import subprocess
import tarfile
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowcloud.engine.archives import Members, MemberType, UnreadableArchiveError


def packed(*members: tuple[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return target.getvalue()


def chunks(content: bytes, size: int = 1000) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


def read(content: bytes, limit_bytes: int = 1 << 30, limit_members: int = 1000) -> dict[str, bytes]:
    archive = Members(chunks(content), limit_bytes, limit_members)
    return {member.name: b"".join(archive.content(member)) for member in archive if member.type == MemberType.FILE}


def header(name: str, kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def pax(content: bytes) -> bytes:
    return header("a", tarfile.XHDTYPE, len(content)) + content + bytes(-len(content) % 512)


def record(key: bytes, value: bytes) -> bytes:
    length = len(key) + len(value) + 3
    length += len(str(length + len(str(length))))
    return b"%d %s=%s\n" % (length, key, value)


def negative(block: bytes) -> bytes:
    """The same header with a size of -512."""
    block = block[:124] + (-512).to_bytes(12, "big", signed=True) + block[136:148] + b" " * 8 + block[156:]
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


@given(
    names=st.lists(
        st.text(st.characters(exclude_characters="\0/", codec="utf-8"), min_size=1, max_size=300), unique=True
    ),
    form=st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    is_packed=st.booleans(),
    content=st.binary(max_size=2000),
)
def test_archives_written_by_tarfile_are_read(names: list[str], form: int, is_packed: bool, content: bytes) -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz" if is_packed else "w", format=form) as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    assert read(target.getvalue()) == dict.fromkeys(names, content)


@pytest.mark.parametrize("form", ["gnu", "pax", "ustar", "v7"])
def test_archives_of_the_tar_program_are_read(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "folder" / ("deep" * 10)
    folder.mkdir(parents=True)
    (folder / "file").write_bytes(b"content" * 1000)
    (folder / "link").symlink_to("file")
    (folder / "other").hardlink_to(folder / "file")
    command = ["tar", "czf", "-", f"--format={form}", "-C", str(tmp_path / "folder"), "."]
    packed = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    members = list(Members(chunks(packed), 1 << 20, 100))
    assert sorted(member.type for member in members) == ["file", "folder", "folder", "hard link", "symbolic link"]
    assert read(packed)[next(member.name for member in members if member.type == MemberType.FILE)] == b"content" * 1000


def test_members_are_returned_with_their_content() -> None:
    given = {"a.txt": b"one", "b/c.bin": bytes(3_000_000), "long" * 50: b"x"}
    assert read(packed(*given.items())) == given


def test_content_that_is_not_read_is_skipped() -> None:
    archive = Members(chunks(packed(("big", bytes(5_000_000)), ("last", b"x"))), 1 << 30, 10)
    assert [member.name for member in archive] == ["big", "last"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a readable tar.gz"),
        (b"hello", "not a readable tar.gz"),
        (gzip.compress(b"hello"), "not a readable tar.gz"),
        (packed(("a", b"x" * 5000))[:-200], "not a readable tar.gz"),
        (packed(("a", b"x"))[:-6] + b"\0\0\0\0\0\0", "not a readable tar.gz"),
        (gzip.compress(header("a", tarfile.XHDTYPE, 1 << 33)), "extended header of more than"),
        (gzip.compress(header("a", tarfile.GNUTYPE_LONGNAME, 1 << 33)), "extended header of more than"),
        (gzip.compress(header("a", tarfile.REGTYPE, 1 << 40)), "unpacks to more than"),
        (header("a", tarfile.GNUTYPE_LONGNAME, 0) * 20_000, "more than 16 extended headers"),
        (pax(b"11 path=a\n\n") * 20_000, "more than 16 extended headers"),
        (pax(b"999999999999999999999 path=a\n"), "a damaged pax header"),
        (pax(b"1" * 1_000_000), "a damaged pax header"),
        (pax(b"-5 path=a\n"), "a damaged pax header"),
        (pax(b"9 size=x\n") + header("a", b"0", 0), "a size that is not a number"),
        (pax(b"26 size=99999999999999999\n") + header("a", b"0", 0), "unpacks to more than"),
        (pax(record(b"path", b"x" * 5000)) + header("a", b"0", 0), "an invalid path"),
        (pax(record(b"path", b"d/" * 200 + b"x")) + header("a", b"0", 0), "an invalid path"),
        (pax(record(b"path", b"a\0b")) + header("a", b"0", 0), "an invalid path"),
        (negative(header("a", b"0", 5)), "negative or too large"),
        (header("a", b"V", 0), "an unknown type"),
        (header("a", b"S", 0), "a sparse file"),
        (header("a", b"3", 0), "a device"),
        (header("a", b"6", 0), "a pipe"),
        (header("a", b"5", 512) + bytes(512), "a folder with content"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else "",
)
def test_a_broken_or_hostile_archive_is_refused_with_a_reason(content: bytes, reason: str) -> None:
    with pytest.raises(UnreadableArchiveError, match=reason):
        list(Members(chunks(content), 1 << 30, 1000))


@pytest.mark.parametrize("mode", ["w:bz2", "w:xz", "zip"])
def test_an_archive_of_another_format_is_refused_by_its_name(mode: str) -> None:
    buffer = io.BytesIO()
    if mode == "zip":
        with zipfile.ZipFile(buffer, "w") as written:
            written.writestr("model.txt", b"1")
    else:
        with tarfile.open(fileobj=buffer, mode=mode) as members:  # type: ignore[call-overload]
            members.addfile(tarfile.TarInfo("empty"))
    said = {"w:bz2": "compressed with bzip2", "w:xz": "compressed with xz", "zip": "a zip file"}[mode]
    with pytest.raises(UnreadableArchiveError, match=f"it is {said}; pack it as a tar.gz archive"):
        list(Members(iter([buffer.getvalue()]), 1 << 20, 10))


def test_a_sparse_member_is_refused() -> None:
    info = tarfile.TarInfo("holes")
    info.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(1 << 40)}
    info.size = 1
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(b"x"))
    with pytest.raises(UnreadableArchiveError, match="sparse"):
        read(target.getvalue())


def test_a_bomb_is_refused_in_little_memory() -> None:
    content = packed(("zeros", bytes(64 << 20)))
    tracemalloc.start()
    with pytest.raises(UnreadableArchiveError, match="unpacks to more than"):
        read(content, limit_bytes=8 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 24 << 20


def test_many_members_are_refused() -> None:
    with pytest.raises(UnreadableArchiveError, match="more than 50 members"):
        read(packed(*((f"{number}", b"") for number in range(51))), limit_members=50)
