"""Patterns with wildcards, compared with regular expressions."""

import re

from hypothesis import given
from hypothesis import strategies as st

from lowcloud.core.patterns import matches

LETTERS = st.text("ab*?/[.", max_size=12)


@given(LETTERS, st.text("ab/[.", max_size=12))
def test_patterns_match_what_the_same_regular_expression_matches(pattern: str, text: str) -> None:
    expression = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)
    assert matches(pattern, text) == bool(re.fullmatch(expression, text, re.DOTALL))


def test_a_pattern_of_many_stars_takes_bounded_time() -> None:
    assert not matches("*a" * 100 + "*b", "a" * 1024)  # it would take years, were it to try every division
