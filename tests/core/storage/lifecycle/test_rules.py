"""Lifecycle rules: what expires, and what never does."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowcloud.core.storage.lifecycle import rules as lifecycle
from lowcloud.core.storage.lifecycle.rules import LifecycleAction, LifecycleRule, RankedVersion, due_at
from lowcloud.core.storage.objects.versions import Version

DAY = 86400.0
NOON = 20_000 * DAY + DAY / 2


def version(
    key: str = "k", age_days: float = 0, *, position: int = 0, is_marker: bool = False, size: int = 10
) -> Version:
    return Version(
        "shelf", key, f"{position}", size, "tag", NOON - age_days * DAY, position=position, is_marker=is_marker
    )


def chosen(
    rules: Sequence[LifecycleRule], versions: Sequence[Version], tags: Mapping[str, str] | None = None
) -> list[LifecycleAction | None]:
    """Return the action for each version of a bucket."""
    found = list(lifecycle.ranked(versions))
    if versions:
        found.append(lifecycle.last_ranked(versions[-1], found[-1] if found else None))
    return [lifecycle.action_for(rules, one, lambda: tags or {}, NOON, DAY) for one in found]


def test_an_age_in_days_is_due_at_the_next_midnight() -> None:
    assert due_at(NOON, 1, DAY) == 20_002 * DAY
    assert due_at(20_000 * DAY, 1, DAY) == 20_001 * DAY


@pytest.mark.parametrize(("age_days", "is_over"), [(0.4, False), (1.4, False), (1.6, True), (5, True)])
def test_an_object_expires_at_the_first_midnight_after_its_days(age_days: float, is_over: bool) -> None:
    assert chosen([LifecycleRule("r", expire_days=1)], [version(age_days=age_days)]) == [
        LifecycleAction.HIDE if is_over else None
    ]


@pytest.mark.parametrize(("expire_at", "is_over"), [(NOON - 1, True), (NOON + 1, False)])
def test_an_object_expires_at_a_date_whatever_its_age(expire_at: float, is_over: bool) -> None:
    assert chosen([LifecycleRule("r", expire_at=expire_at)], [version()]) == [LifecycleAction.HIDE if is_over else None]


OLD = version(age_days=9)


@pytest.mark.parametrize(
    ("rule", "tags", "is_over"),
    [
        (LifecycleRule("r", expire_days=1, prefix="k"), {}, True),
        (LifecycleRule("r", expire_days=1, prefix="l"), {}, False),
        (LifecycleRule("r", expire_days=1, tags={"a": "1"}), {"a": "1", "b": "2"}, True),
        (LifecycleRule("r", expire_days=1, tags={"a": "1", "b": "1"}), {"a": "1", "b": "2"}, False),
        (LifecycleRule("r", expire_days=1, larger_than=9), {}, True),
        (LifecycleRule("r", expire_days=1, larger_than=10), {}, False),
        (LifecycleRule("r", expire_days=1, smaller_than=11), {}, True),
        (LifecycleRule("r", expire_days=1, smaller_than=10), {}, False),
        (
            LifecycleRule("r", expire_days=1, prefix="k", tags={"a": "1"}, larger_than=5, smaller_than=15),
            {"a": "1"},
            True,
        ),
    ],
)
def test_a_rule_applies_to_what_its_filter_matches(rule: LifecycleRule, tags: Mapping[str, str], is_over: bool) -> None:
    assert chosen([rule], [OLD], tags) == [LifecycleAction.HIDE if is_over else None]


def test_noncurrent_versions_age_from_their_replacement_and_some_newer_ones_stay() -> None:
    ages = [0, 5, 6, 20, 30]
    versions = [version(age_days=age, position=number) for number, age in enumerate(ages)]
    by_age = [None, None, LifecycleAction.REMOVE, LifecycleAction.REMOVE, LifecycleAction.REMOVE]
    assert chosen([LifecycleRule("r", noncurrent_days=3)], versions) == by_age
    assert chosen([LifecycleRule("r", noncurrent_days=3, keep_newer=3)], versions) == [
        None,
        None,
        None,
        None,
        LifecycleAction.REMOVE,
    ]


def test_only_a_delete_marker_without_other_versions_is_removed() -> None:
    marker = version(age_days=3, is_marker=True)
    rule = LifecycleRule("r", expire_markers=True)
    assert chosen([rule], [marker]) == [LifecycleAction.REMOVE]
    assert chosen([rule], [marker, version(age_days=4, position=1)]) == [None, None]
    assert chosen([rule], [marker, version(key="other")]) == [LifecycleAction.REMOVE, None]
    assert chosen([LifecycleRule("r", expire_days=1)], [marker]) == [LifecycleAction.REMOVE]
    assert chosen([LifecycleRule("r", expire_days=7)], [marker]) == [None]


def test_uploads_are_aborted_after_their_days() -> None:
    rules = [LifecycleRule("r", prefix="a/", abort_days=2)]
    assert lifecycle.is_upload_expired(rules, "a/b", NOON - 3 * DAY, NOON, DAY)
    assert not lifecycle.is_upload_expired(rules, "a/b", NOON - 2 * DAY, NOON, DAY)
    assert not lifecycle.is_upload_expired(rules, "b", NOON - 9 * DAY, NOON, DAY)


def test_a_rule_that_is_disabled_does_nothing() -> None:
    document = {"rules": [{"id": "off", "is_enabled": False, "expire_days": 1}, {"id": "on", "expire_days": 9}]}
    assert [rule.id for rule in lifecycle.parse_rules(document)] == ["on"]
    assert lifecycle.parse_rules(None) == []


DAYS = st.none() | st.integers(1, 6)
RULES = st.lists(
    st.builds(
        LifecycleRule,
        id=st.just("r"),
        prefix=st.sampled_from(["", "a", "b"]),
        expire_days=DAYS,
        expire_markers=st.booleans(),
        noncurrent_days=DAYS,
        keep_newer=st.none() | st.integers(1, 3),
        larger_than=st.none() | st.integers(0, 20),
    ),
    max_size=3,
)
AGED = st.tuples(st.sampled_from(["a", "ab", "b"]), st.floats(0, 12), st.booleans(), st.integers(0, 20))


@given(rules=RULES, drawn=st.lists(AGED, max_size=12), page=st.integers(2, 12))
def test_pages_of_versions_give_the_same_actions_as_all_at_once(rules, drawn, page) -> None:
    drawn.sort(key=lambda one: (one[0], one[1]))
    versions = [
        version(key, age, position=number, is_marker=is_marker, size=size)
        for number, (key, age, is_marker, size) in enumerate(drawn)
    ]
    paged: list[RankedVersion] = []
    while len(paged) < len(versions):
        rows = versions[len(paged) : len(paged) + page]
        before = paged[-1] if paged else None
        found = list(lifecycle.ranked(rows, before))
        if len(rows) < page:
            found.append(lifecycle.last_ranked(rows[-1], found[-1] if found else before))
        paged += found
        if not found:
            break
    if len(paged) < len(versions):  # the last page was full to the row
        paged.append(lifecycle.last_ranked(versions[-1], paged[-1] if paged else None))
    actions = [lifecycle.action_for(rules, one, dict, NOON, DAY) for one in paged]
    assert actions == chosen(rules, versions)
    check_sense(rules, versions, actions)


def check_sense(
    rules: Sequence[LifecycleRule], versions: Sequence[Version], actions: Sequence[LifecycleAction | None]
) -> None:
    """Properties that hold for any rules."""
    for number, (one, action) in enumerate(zip(versions, actions, strict=True)):
        is_newest = number == 0 or versions[number - 1].key != one.key
        assert action is not LifecycleAction.HIDE or (is_newest and not one.is_marker), (
            "only the newest object is hidden"
        )
        if action is LifecycleAction.REMOVE and is_newest:
            others = [other for other in versions if other.key == one.key and other is not one]
            assert one.is_marker, "the newest object is never removed for good"
            assert not others, "nor a marker that hides something"
        if action is LifecycleAction.REMOVE and not is_newest:
            least = min(rule.noncurrent_days for rule in rules if rule.noncurrent_days is not None)
            assert NOON - versions[number - 1].modified_at >= (least - 1) * DAY
