"""The chain: each record's hash covers its document and the hash before; the chain's ends are sealed with a key.

Whoever can write the database but lacks the home's key can compute hashes, but not seal the last one.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256

from lowcloud.store.blobs.encryption import KeyRing

START = bytes(32)  # the hash before the first record
_PURPOSE = "audit chain"


@dataclass(frozen=True)
class Link:
    """A record in the chain."""

    number: int
    document: str
    hash: bytes


@dataclass(frozen=True)
class Chain:
    """The ends of the chain. Empty if `last` is before `first`."""

    began_at: float  # when the first record of all was written
    first: int = 1  # the number of the oldest record that is kept
    before: str = START.hex()  # the hash of the record before it
    last: int = 0
    hash: str = START.hex()  # of the last record
    # Records before which the chain was found damaged and was continued, with the hash that each continues from.
    damaged_before: dict[int, str] = field(default_factory=dict)


def hash_of(before: bytes, number: int, document: str) -> bytes:
    """Return the hash of a record."""
    return sha256(before + number.to_bytes(8, "big") + document.encode()).digest()


def extend(chain: Chain, documents: Iterable[str]) -> tuple[Chain, list[Link]]:
    """Return the chain with further records, and those."""
    links, number, latest = [], chain.last, bytes.fromhex(chain.hash)
    for document in documents:
        number += 1
        latest = hash_of(latest, number, document)
        links.append(Link(number, document, latest))
    return replace(chain, last=number, hash=latest.hex()), links


def verify(chain: Chain, links: Iterable[Link]) -> Iterator[str]:
    """Yield what is wrong with the records of a chain, which are sorted by number."""
    expected, latest, is_whole = chain.first, bytes.fromhex(chain.before), True
    for link in links:
        if link.number < chain.first:
            yield f"record {link.number} is older than those that the log keeps: it was added or brought back"
            continue
        if link.number > chain.last:
            yield f"record {link.number} was added after the last one, {chain.last}, without the key of the home"
            continue
        if link.number > expected:
            yield f"{_records(expected, link.number - 1)} missing"
            is_whole = False
        if link.number in chain.damaged_before:
            yield f"before record {link.number} the log was found changed when the server continued it"
            latest, is_whole = bytes.fromhex(chain.damaged_before[link.number]), True
        if is_whole and hash_of(latest, link.number, link.document) != link.hash:
            yield f"record {link.number} or the one before it was changed"
        latest, is_whole, expected = link.hash, True, link.number + 1
    if expected <= chain.last:
        yield f"{_records(expected, chain.last)} missing at the end"
    elif latest.hex() != chain.hash:
        yield f"record {chain.last}, the last one, is not the one that was sealed: it or records before it were changed"


def intact(chain: Chain, links: Iterable[Link]) -> Iterator[Link]:
    """Yield the records of a chain, which are sorted by number, up to the first that is missing, changed or noted."""
    latest = bytes.fromhex(chain.before)
    for expected, link in enumerate(links, chain.first):
        is_next = link.number == expected and link.number <= chain.last and link.number not in chain.damaged_before
        if not is_next or hash_of(latest, link.number, link.document) != link.hash:
            return
        yield link
        latest = link.hash


def seal(keys: KeyRing, chain: Chain) -> bytes:
    """Return the ends of a chain in a form that only the holder of the key can make."""
    return keys.seal(json.dumps(asdict(chain)).encode(), _PURPOSE)


def unseal(keys: KeyRing, sealed: bytes) -> Chain:
    """Return the ends that `seal` was given. Raises TamperedError."""
    found = json.loads(keys.unseal(sealed, _PURPOSE))
    damaged = {int(number): before for number, before in found.pop("damaged_before").items()}
    return Chain(**found, damaged_before=damaged)


def _records(first: int, last: int) -> str:
    return f"record {first} is" if first == last else f"records {first} to {last} are"
