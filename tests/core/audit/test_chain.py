"""The chain of the audit log: whatever is done to it without its key is found."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowcloud.core.audit.chain import Chain, Link, extend, hash_of, seal, unseal, verify
from lowcloud.store.blobs.encryption import KeyRing, TamperedError

DOCUMENTS = st.lists(st.text(max_size=5), min_size=3, max_size=12, unique=True)


def rehashed(links: list[Link], before: bytes) -> list[Link]:
    """Links with new numbers and hashes, as somebody without the key can compute them."""
    made = []
    for number, link in enumerate(links, links[0].number if links else 1):
        before = hash_of(before, number, link.document)
        made.append(Link(number, link.document, before))
    return made


def changed(links: list[Link], at: int) -> list[Link]:
    return [*links[:at], replace(links[at], document=links[at].document + "!"), *links[at + 1 :]]


def deleted(links: list[Link], at: int) -> list[Link]:
    return links[:at] + links[at + 1 :]


def reordered(links: list[Link], at: int) -> list[Link]:
    other = (at + 1) % len(links)
    documents = {at: links[other].document, other: links[at].document}
    return [replace(link, document=documents.get(number, link.document)) for number, link in enumerate(links)]


def truncated(links: list[Link], at: int) -> list[Link]:
    return links[:at]


def extended(links: list[Link], _at: int) -> list[Link]:
    number, document = links[-1].number + 1, "more"
    return [*links, Link(number, document, hash_of(links[-1].hash, number, document))]


CHANGES = [changed, deleted, reordered, truncated, extended]
Change = Callable[[list[Link], int], list[Link]]


@given(DOCUMENTS, st.integers(1, 3))
def test_a_chain_that_nobody_changed_is_found_whole(documents: list[str], size: int) -> None:
    chain, links = Chain(0.0), []
    for start in range(0, len(documents), size):
        chain, more = extend(chain, documents[start : start + size])
        links += more
    assert list(verify(chain, links)) == []


@given(DOCUMENTS, st.sampled_from(CHANGES), st.integers(0), st.booleans())
def test_every_change_is_found_even_if_all_hashes_are_computed_anew(
    documents: list[str], change: Change, position: int, is_rehashed: bool
) -> None:
    chain, links = extend(Chain(0.0), documents)
    tampered = change(links, position % len(links))
    if is_rehashed:
        tampered = rehashed(tampered, bytes.fromhex(chain.before))
    assert list(verify(chain, tampered))


@given(DOCUMENTS, st.sampled_from(CHANGES), st.integers(0))
def test_a_change_is_still_found_after_further_records(documents: list[str], change: Change, position: int) -> None:
    chain, links = extend(Chain(0.0), documents)
    longer, more = extend(chain, ["next"])
    tampered = change(links, position % len(links))
    kept = [link for link in tampered if link.number <= chain.last]
    assert kept == links or list(verify(longer, [*kept, *more]))


def test_what_was_changed_is_named() -> None:
    chain, links = extend(Chain(0.0), ["a", "b", "c", "d"])
    assert list(verify(chain, deleted(links, 1))) == ["record 2 is missing"]
    assert list(verify(chain, truncated(links, 2))) == ["records 3 to 4 are missing at the end"]
    assert list(verify(chain, changed(links, 1))) == ["record 2 or the one before it was changed"]
    assert "without the key" in next(verify(chain, extended(links, 0)))
    (finding,) = verify(chain, rehashed(changed(links, 0), bytes(32)))
    assert finding.startswith("record 4, the last one, is not the one that was sealed")


def test_the_ends_of_a_chain_are_sealed_with_the_key_of_the_home() -> None:
    keys = KeyRing(bytes(32))
    chain = Chain(1.5, 3, "00", 7, "ff", {5: "aa"})
    assert unseal(keys, seal(keys, chain)) == chain
    with pytest.raises(TamperedError):
        unseal(KeyRing(b"1" * 32), seal(keys, chain))
