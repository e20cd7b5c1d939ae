"""Texts that are no policies, or nearly: any JSON, and real policies with some of their values exchanged."""

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

ELEMENTS = ["Version", "Id", "Statement", "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction"]
ELEMENTS += ["Resource", "NotResource", "Condition", "StringLike", "DateLessThan", "NumericEquals", "IpAddress", "AWS"]
TEXTS = ["2012-10-17", "2008-10-17", "Allow", "Deny", "*", "s3:*", "sts:AssumeRole", "arn:aws:s3:::b/${aws:username}"]
TEXTS += [
    "${",
    "${,}",
    "${aws:x, 'y'}",
    "${${}}",
    "\0",
    "\ud800",
    "é",
    "::::::",
    "arn:::::",
    "1e999",
    "NaN",
    "-0",
    "::/0",
]
REAL: list[dict[str, Any]] = [
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "A", "Effect": "Allow", "Action": ["s3:*"], "Resource": "*"},
            {
                "Effect": "Deny",
                "NotAction": "iam:*",
                "NotResource": ["arn:aws:s3:::b/*"],
                "Condition": {
                    "DateLessThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"},
                    "ForAnyValue:StringLikeIfExists": {"aws:TagKeys": ["a*", "${aws:username}"]},
                    "NumericLessThan": {"s3:max-keys": 10},
                    "Bool": {"aws:SecureTransport": True},
                    "Null": {"aws:x": "true"},
                    "IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "::/0"]},
                    "ArnLike": {"aws:SourceArn": "arn:aws:s3:::*"},
                },
            },
        ],
    },
    {
        "Statement": {
            "Effect": "Allow",
            "Principal": {"AWS": ["*", "123456789012"], "Service": "sagemaker.amazonaws.com"},
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::shelf/*",
        }
    },
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": ["a.amazonaws.com"]}, "Action": "sts:AssumeRole"}],
    },
]


def values() -> SearchStrategy[Any]:
    simple = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(TEXTS) | st.text(max_size=8)
    return st.recursive(
        simple | st.sampled_from([[], {}]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(ELEMENTS) | st.text(max_size=4), inner, max_size=3)
        ),
        max_leaves=8,
    )


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """Draw a real policy of which some values are exchanged, elements dropped, doubled or renamed."""
    document = json.loads(json.dumps(draw(st.sampled_from(REAL))))
    for _ in range(draw(st.integers(0, 3))):
        document = changed(draw, document)
    return document


def changed(draw: st.DrawFn, value: Any) -> Any:
    """Return a value with a change somewhere in it."""
    if not value or not isinstance(value, dict | list) or draw(st.integers(0, 5)) == 0:
        return draw(st.sampled_from([[value], {"AWS": value}]) | values())
    if isinstance(value, list):
        number = draw(st.integers(0, len(value) - 1))
        return [*value[:number], changed(draw, value[number]), *value[number + 1 :]]
    key = draw(st.sampled_from(sorted(value)))
    kept = {name: one for name, one in value.items() if name != key}
    if draw(st.integers(0, 5)) == 0:
        return kept
    return {**kept, draw(st.sampled_from([key, key, key, *ELEMENTS])): changed(draw, value[key])}


def documents_at_random() -> SearchStrategy[str]:
    """Return texts: JSON that is nearly a policy, any JSON, any text, and JSON with elements given twice."""
    as_json = (mutated() | values()).map(json.dumps)
    doubled = as_json.map(lambda text: text.replace('"Effect"', '"Effect": "Allow", "Effect"', 1))
    cut = st.builds(lambda text, end: text[:end], as_json, st.integers(0, 300))
    return as_json | as_json | st.text(max_size=50) | doubled | cut
