"""Archives are read as they stream past, and hostile ones are refused before they cost much."""

import gzip
import io
import tarfile
import tracemalloc
from collections.abc import Iterator

import pytest

from lowcloud.engine.archives import Members, Unreadable


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
    return {member.name: b"".join(archive.content(member)) for member in archive if member.isreg()}


def header(name: str, kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


def test_members_come_with_their_content() -> None:
    given = {"a.txt": b"one", "b/c.bin": bytes(3_000_000), "long" * 50: b"x"}
    assert read(packed(*given.items())) == given


def test_content_that_nobody_asks_for_is_passed_over() -> None:
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
        (gzip.compress(header("a", tarfile.XHDTYPE, 1 << 33)), "longer than any real one"),
        (gzip.compress(header("a", tarfile.GNUTYPE_LONGNAME, 1 << 33)), "longer than any real one"),
        (gzip.compress(header("a", tarfile.REGTYPE, 1 << 40)), "unpacks to far more"),
    ],
    ids=["empty", "text", "no tar", "cut off", "wrong checksum", "long attributes", "long name", "long content"],
)
def test_a_broken_or_hostile_archive_is_refused_with_a_reason(content: bytes, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason):
        list(Members(chunks(content), 1 << 30, 1000))


def test_a_sparse_member_is_refused() -> None:
    info = tarfile.TarInfo("holes")
    info.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(1 << 40)}
    info.size = 1
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(b"x"))
    with pytest.raises(Unreadable, match="sparse"):
        read(target.getvalue())


def test_a_bomb_is_refused_in_little_memory() -> None:
    content = packed(("zeros", bytes(64 << 20)))
    tracemalloc.start()
    with pytest.raises(Unreadable, match="unpacks to far more"):
        read(content, limit_bytes=8 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 24 << 20


def test_many_members_are_refused() -> None:
    with pytest.raises(Unreadable, match="more than 50 members"):
        read(packed(*((f"{number}", b"") for number in range(51))), limit_members=50)
