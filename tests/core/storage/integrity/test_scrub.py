"""Damage of every kind: the scrub finds it, and wrong bytes are never served."""

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from lowcloud.core.context import Context
from lowcloud.core.errors import CloudError
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.integrity import scrub
from lowcloud.core.storage.multipart import completions, uploads
from lowcloud.core.storage.objects import listings, objects, version_updates
from lowcloud.core.storage.objects.deletions import delete
from lowcloud.core.storage.objects.metadata import Encryption, ObjectMetadata, key_md5
from lowcloud.store.blobs.encryption import TamperedError
from lowcloud.store.blobs.files import BlobMissingError
from lowcloud.store.db.backend import UnusableStoreError
from tests.support.servers.gateways import make_context

BUCKET = "shelf"
SMALL, LARGE = b"small" * 100, b"large" * 60_000
PART = b"p" * completions.MIN_PART_BYTES
CUSTOMER_KEY = bytes(range(32))
REFUSALS = (
    CloudError,
    TamperedError,
    BlobMissingError,
    OSError,
    DBAPIError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
)


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    """A context with a database file, since these tests use SQLite directly."""
    made = make_context(tmp_path / "home")
    yield made
    made.database.close()


def fill(context: Context) -> dict[str, bytes]:
    """Fill a store with bytes in every kind of place. Returns the content of each key."""
    buckets.create(context, BUCKET)
    said = ObjectMetadata({"content-type": "text/plain"}, {"who": "me"}, {"tag": "value"})
    held = {"small": SMALL, "large": LARGE, "joined": PART + b"the end"}
    objects.put(context, BUCKET, "small", [SMALL], said, storage_class="GLACIER")
    objects.put(context, BUCKET, "large", [LARGE], said)
    upload = uploads.create(context, BUCKET, "joined")
    pieces = [uploads.put_part(context, upload, number, [content]) for number, content in ((1, PART), (2, b"the end"))]
    wanted = [completions.RequestedPart(piece.number, piece.etag) for piece in pieces]
    completions.complete(context, BUCKET, "joined", upload.id, wanted)
    uploads.put_part(context, uploads.create(context, BUCKET, "unfinished"), 1, [b"in progress"])
    return held


def findings(context: Context) -> list[scrub.Finding]:
    return list(scrub.scrub(context, scrub.ScrubCounts()))


def check_served(context: Context, held: dict[str, bytes]) -> bool:
    """Return whether everything is served as it was written; otherwise it must be refused."""
    is_all_there = True
    for key in {*held, *(found.key for found in listings.walk(context, BUCKET))}:
        try:
            found, chunks = objects.get(context, BUCKET, key)
            content = b"".join(chunks)
        except REFUSALS:
            is_all_there = False
        else:
            assert content == held[key]
            assert found.size == len(content)
    return is_all_there


def test_a_store_with_every_kind_of_object_has_no_findings(tmp_path: Path, database: str | None) -> None:
    context = make_context(tmp_path / "home", database)
    fill(context)
    delete(context, BUCKET, "nothing")
    buckets.set_versioning(context, BUCKET, buckets.ENABLED)
    delete(context, BUCKET, "small")
    version_updates.set_tags(context, BUCKET, "large", None, {"other": "tag"})
    with_key = ObjectMetadata(encryption=Encryption(customer_key_md5=key_md5(CUSTOMER_KEY)))
    for size in (10, 100_000):
        objects.put(context, BUCKET, f"locked {size}", [bytes(size)], with_key, customer_key=CUSTOMER_KEY)
    named = ObjectMetadata(encryption=Encryption(key_id="1234"))
    for size in (10, 100_000):
        objects.put(context, BUCKET, f"named {size}", [bytes(size)], named, algorithm="SHA256")
    counts = scrub.ScrubCounts()
    assert list(scrub.scrub(context, counts)) == []
    expected_bytes = len(SMALL) + len(LARGE) + len(PART) + len(b"the end") + len(b"in progress") + 2 * 100_010
    assert (counts.versions, counts.uploads, counts.bytes, counts.locked) == (8, 1, expected_bytes, 2)
    context.database.close()


def flipped(value: Any, chance: random.Random) -> Any:
    """Return the value with one bit changed."""
    match value:
        case bytes():
            changed = bytearray(value)
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
            return bytes(changed)
        case str():
            place = chance.randrange(len(value))
            return value[:place] + chr(ord(value[place]) ^ (1 << chance.randrange(4))) + value[place + 1 :]
        case float():
            return value + 2.0 ** chance.randrange(-10, 10)
        case _:
            return value ^ (1 << chance.randrange(20))


COLUMNS = [
    *(("objects", name) for name in ("key", "id", "size", "etag", "modified_at", "checksum", "document")),
    ("contents", "id"),
    ("contents", "sealed"),
    *(("parts", name) for name in ("owner", "blob", "size", "wrapped_key", "etag", "checksum")),
    *(("uploads", name) for name in ("id", "document")),
]
CASES = [
    *((table, column, "TRUE") for table, column in COLUMNS),
    ("objects", "wrapped_key", "wrapped_key IS NOT NULL"),
    ("objects", "storage_class", "storage_class IS NOT NULL"),
    ("objects", "parts", "parts IS NOT NULL"),
]


@pytest.mark.parametrize(("table", "column", "where"), CASES)
def test_a_bit_flipped_in_any_row_is_found_and_never_served(
    context: Context, table: str, column: str, where: str
) -> None:
    held = fill(context)
    database = context.settings.data / "lowcloud.db"
    chance = random.Random(column)
    with sqlite3.connect(database, isolation_level=None) as raw:
        rows = raw.execute(f'SELECT DISTINCT "{column}" FROM {table} WHERE {where} AND "{column}" IS NOT NULL')
        for (value,) in rows.fetchall():
            wrong = flipped(value, chance)
            raw.execute(f'UPDATE {table} SET "{column}" = ? WHERE "{column}" = ?', (wrong, value))
            check_served(context, held)
            assert findings(context), (value, wrong)
            raw.execute(f'UPDATE {table} SET "{column}" = ? WHERE "{column}" = ?', (value, wrong))
        assert findings(context) == []
    raw.close()


def test_an_object_turned_into_a_marker_is_found(context: Context) -> None:
    fill(context)
    with context.database.transaction() as connection:
        connection.execute(sa.text("UPDATE objects SET is_marker = TRUE WHERE key = 'small'"))
    assert "marker" in findings(context)[0].reason


def swap_parts(context: Context) -> None:
    with context.database.transaction() as connection:
        for number in ("-number", "number + 3"):
            connection.execute(sa.text(f"UPDATE parts SET number = {number} WHERE checksum IS NOT NULL"))


def lose_a_part(context: Context) -> None:
    with context.database.transaction() as connection:
        connection.execute(sa.text("DELETE FROM parts WHERE number = 2"))


def lose_content(context: Context) -> None:
    with context.database.transaction() as connection:
        connection.execute(sa.text("DELETE FROM contents"))


def lose_files(context: Context) -> None:
    for path in blob_files(context):
        path.unlink()


def cut_files(context: Context) -> None:
    for path in blob_files(context):
        path.write_bytes(path.read_bytes()[:-1])


def swap_files(context: Context) -> None:
    first, *_, last = blob_files(context)
    content = first.read_bytes()
    first.write_bytes(last.read_bytes())
    last.write_bytes(content)


def lose_the_bucket(context: Context) -> None:
    with sqlite3.connect(context.settings.data / "lowcloud.db") as raw:
        raw.execute("DELETE FROM buckets")
    raw.close()


HARMS = [
    swap_parts,
    lose_a_part,
    lose_content,
    lose_files,
    cut_files,
    swap_files,
    lose_the_bucket,
]


@pytest.mark.parametrize("harm", HARMS)
def test_other_damage_is_found_and_never_served(context: Context, harm: Callable[[Context], None]) -> None:
    held = fill(context)
    harm(context)
    assert findings(context)
    if harm is not lose_the_bucket:
        check_served(context, held)


def test_a_file_without_a_row_is_distinguished_from_damage(context: Context) -> None:
    fill(context)
    (context.settings.data / "objects" / "aa" / "0aa").write_bytes(b"?")
    counts = scrub.ScrubCounts()
    assert list(scrub.scrub(context, counts)) == []
    assert counts.leftovers == 1


def blob_files(context: Context) -> list[Path]:
    return sorted((context.settings.data / "objects").glob("*/*"))


def test_a_bit_flipped_in_any_file_of_bytes_is_found(context: Context) -> None:
    held = fill(context)
    chance = random.Random(1)
    for path in blob_files(context):
        content = path.read_bytes()
        path.write_bytes(flipped(content, chance))
        check_served(context, held)
        assert len(findings(context)) == 1
        path.write_bytes(content)
    assert check_served(context, held)


def test_a_bit_flipped_anywhere_in_the_database_is_never_served(tmp_path: Path) -> None:
    home = tmp_path / "home"
    context = make_context(home)
    held = fill(context)
    context.database.close()
    whole = (home / "data" / "lowcloud.db").read_bytes()
    chance = random.Random(2)
    used = [place for place, byte in enumerate(whole) if byte]  # most of a small database is empty
    noticed = 0
    for number in range(40):
        changed = tmp_path / str(number)
        shutil.copytree(home, changed)
        place = chance.choice(used)
        one = flipped(whole[place : place + 1], chance)
        (changed / "data" / "lowcloud.db").write_bytes(whole[:place] + one + whole[place + 1 :])
        noticed += check_damaged(changed, held)
        shutil.rmtree(changed)
    assert noticed > 0


def check_damaged(home: Path, held: dict[str, bytes]) -> bool:
    """Return whether the damage shows; then the scrub must find it."""
    try:
        context = make_context(home)
    except (CloudError, DBAPIError, UnusableStoreError, OSError, ValueError):
        return True
    try:
        is_all_there = check_served(context, held)
        assert is_all_there or findings(context)
    except DBAPIError:
        return True
    finally:
        context.database.close()
    return not is_all_there


def test_objects_deleted_during_the_scrub_are_not_reported(context: Context) -> None:
    fill(context)

    def delete_meanwhile(_size: int) -> None:
        for key in ("small", "large", "joined"):
            delete(context, BUCKET, key)

    assert list(scrub.scrub(context, scrub.ScrubCounts(), delete_meanwhile)) == []


def test_the_data_folder_contains_no_plaintext(context: Context) -> None:
    buckets.create(context, BUCKET)
    secrets = {name: f"{name}-that-nobody-may-read".encode() for name in ("small", "large", "part", "said", "tag")}
    said = ObjectMetadata(
        {"content-disposition": secrets["said"].decode()},
        {"m": secrets["said"].decode()},
        {"t": secrets["tag"].decode()},
    )
    objects.put(context, BUCKET, "small", [secrets["small"] * 100], said)
    objects.put(context, BUCKET, "large", [secrets["large"] * 10_000], said)
    uploads.put_part(context, uploads.create(context, BUCKET, "joined", said), 1, [secrets["part"] * 100])
    version_updates.set_tags(context, BUCKET, "large", None, {"t": secrets["tag"].decode()})
    files = [path for path in context.settings.data.rglob("*") if path.is_file()]
    assert {"lowcloud.db", "lowcloud.db-wal"} <= {path.name for path in files}
    for path in files:
        content = path.read_bytes()
        assert [name for name, secret in secrets.items() if secret in content] == [], path
