"""Wildcards, compared with regular expressions, and callers' regular expressions within their bounds."""

import re
import resource

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowcloud.core.patterns import Expression, PatternError, matches

LETTERS = st.text("ab*?/[.", max_size=12)


@given(LETTERS, st.text("ab/[.", max_size=12))
def test_patterns_match_what_the_same_regular_expression_matches(pattern: str, text: str) -> None:
    expression = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern)
    assert matches(pattern, text) == bool(re.fullmatch(expression, text, re.DOTALL))


def test_a_pattern_of_many_stars_takes_bounded_time() -> None:
    assert not matches("*a" * 100 + "*b", "a" * 1024)  # it would take years, were it to try every division


@pytest.mark.parametrize(
    "text",
    ["a{999999999}", "((a{100}){100}){100}", "(((x{30}){30}){30}){30}", r"\pL{1000}", "(?:a{1000}b{1000}){1}(c{1000})"],
)
def test_an_expression_that_would_take_gigabytes_is_refused_and_takes_none(text: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(PatternError):
        Expression(text)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB


@pytest.mark.parametrize("text", [r"(a)\1", "(?<=loss=)(.*)", "(?=x)(.*)", "(", "a**", "\ud800(.)"])
def test_an_expression_outside_of_the_syntax_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(PatternError, match=r"\w"):
        Expression(text)


@pytest.mark.parametrize(
    ("text", "line", "captured"),
    [
        (r"train_loss: ([0-9\.]+)", "epoch 1 train_loss: 0.25;", "0.25"),
        (r"'eval_loss': ([0-9]+(.|e\-)[0-9]+),?", "{'eval_loss': 0.5, 'x': 1}", "0.5"),
        (
            r".*\[[0-9]+\].*#011validation-auc:([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?).*",
            "[1]#011validation-auc:0.9",
            "0.9",
        ),
        (
            r"#quality_metric: host=\S+, epoch=\S+, train loss <loss>=(\S+)",
            "#quality_metric: host=a, epoch=1, train loss <loss>=2",
            "2",
        ),
        (r"Average loss: (.*?),", "Test set: Average loss: 1.5, Accuracy", "1.5"),
        (r"(?P<value>\d+)ü", "12ü", "12"),
        ("a(b)?c", "ac", ""),
        ("a(b)", "xyz", None),
    ],
)
def test_an_expression_captures_what_the_same_expression_of_python_captures(
    text: str, line: str, captured: str | None
) -> None:
    assert Expression(text).search(line) == captured
    found = re.search(text, line)
    assert (found and (found[1] or "")) == captured
