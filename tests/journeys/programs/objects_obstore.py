"""obstore (Rust's object_store): conditional writes and all its other operations."""

import os
import sys
from datetime import timedelta
from urllib.request import urlopen

import obstore
from obstore.exceptions import AlreadyExistsError, NotModifiedError, PreconditionError
from obstore.store import S3Store

bucket = sys.argv[1]
store = S3Store(bucket)


def is_refused(error: type[Exception], function, *arguments, **options) -> bool:
    try:
        function(*arguments, **options)
    except error:
        return True
    return False


# Only one create succeeds, and only an update of the latest version.
first = obstore.put(store, "lock", b"one", mode="create")
assert is_refused(AlreadyExistsError, obstore.put, store, "lock", b"two", mode="create")
second = obstore.put(store, "lock", b"two", mode={"e_tag": first["e_tag"]})
assert is_refused(PreconditionError, obstore.put, store, "lock", b"three", mode={"e_tag": first["e_tag"]})
assert obstore.get(store, "lock").bytes() == b"two"
assert is_refused(NotModifiedError, obstore.get, store, "lock", options={"if_none_match": second["e_tag"]})
assert is_refused(PreconditionError, obstore.get, store, "lock", options={"if_match": first["e_tag"]})

# Large objects in parts, ranges, streams.
large = os.urandom(13 << 20)
obstore.put(store, "large", large, chunk_size=5 << 20, attributes={"Content-Type": "x/raw", "origin": "sensor 7"})
found = obstore.get(store, "large")
assert (found.attributes["Content-Type"], found.attributes["origin"]) == ("x/raw", "sensor 7")
assert b"".join(bytes(chunk) for chunk in found.stream()) == large
assert bytes(obstore.get_range(store, "large", start=6_000_000, length=9)) == large[6_000_000:6_000_009]
ranges = obstore.get_ranges(store, "large", starts=[0, 9_000_000], lengths=[5, 7])
assert [bytes(piece) for piece in ranges] == [large[:5], large[9_000_000:9_000_007]]
with obstore.open_writer(store, "written", buffer_size=5 << 20) as out:
    out.write(large)
assert obstore.open_reader(store, "written").readall() == large
assert obstore.head(store, "written")["size"] == len(large)

# Unusual names, listings, copies, moves and deletions.
names = [f"tree/{name}" for name in ("a b", "a+b", "a&b=c", "ä", "sub/1", "sub/2", "tilde~", "(x)")]
for name in names:
    obstore.put(store, name, name.encode())
assert sorted(meta["path"] for batch in obstore.list(store, "tree") for meta in batch) == sorted(names)
level = obstore.list_with_delimiter(store, "tree")
assert (level["common_prefixes"], len(level["objects"])) == (["tree/sub"], 6)
obstore.copy(store, "tree/ä", "copied")
obstore.rename(store, "tree/a+b", "renamed")
assert (obstore.get(store, "copied").bytes(), obstore.get(store, "renamed").bytes()) == ("tree/ä".encode(), b"tree/a+b")
assert is_refused(FileNotFoundError, obstore.head, store, "tree/a+b")
with urlopen(obstore.sign(store, "GET", "tree/a&b=c", timedelta(minutes=5))) as answer:
    assert answer.read() == b"tree/a&b=c"
obstore.delete(store, [name for name in names if name != "tree/a+b"])
assert not [meta for batch in obstore.list(store, "tree") for meta in batch]
