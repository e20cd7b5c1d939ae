"""Policies, principals and requests at random, from few names, so that many of them match."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.support.policies.slow_evaluator import Document, Question, Subject

OWN, OTHER = "111111111111", "222222222222"
ROLE = f"arn:aws:iam::{OWN}:role/team/r"
SESSION = f"arn:aws:sts::{OWN}:assumed-role/r/s"
FEDERATED = f"arn:aws:sts::{OWN}:federated-user/f"
SUBJECTS = [
    Subject("user", OWN, f"arn:aws:iam::{OWN}:user/u", canonical="c1"),
    Subject("role session", OWN, SESSION, ROLE),
    Subject("federated user", OWN, FEDERATED),
    Subject("root", OWN, f"arn:aws:iam::{OWN}:root", canonical="c1"),
    Subject("user", OTHER, f"arn:aws:iam::{OTHER}:user/u"),
    Subject("root", OTHER, f"arn:aws:iam::{OTHER}:root"),
    Subject("service", "", "sagemaker.amazonaws.com"),
    Subject("anonymous", "", "*"),
]
ACTIONS = ["s3:GetObject", "s3:PutObject", "sagemaker:CreateModel"]
ACTION_PATTERNS = [
    "*",
    "*",
    "*",
    "s3:*",
    "s3:*",
    "s3:*",
    "s3:Get*",
    "S3:getobject",
    "s3:???Object",
    "s3:*Object",
    *ACTIONS,
]
RESOURCES = ["arn:aws:s3:::b", "arn:aws:s3:::b/k", "arn:aws:s3:::b/a:u", f"arn:aws:sagemaker:r-1:{OWN}:model/m", "*"]
RESOURCE_PATTERNS = [
    *["*"] * 8,
    *["arn:aws:s3:::b*"] * 4,
    "arn:*",
    "arn:aws:s3:::*",
    "arn:aws:s3:::b/*",
    "arn:aws:s3:::b/?",
    "arn:aws:s3*b*",
    "arn:aws:s?*:*:*:*u",
    "arn:aws:s3*:::*:u",
    "arn:aws:s3:*:b/*",
    "arn:*:sagemaker:*:*:model/m",
    f"arn:aws:sagemaker:r-?:{OWN}:model/${{k:a}}",
    "arn:aws:sagemaker:r*1:${k:account}:model/?",
    "arn:aws:s3:::${k:a}/k",
    "arn:aws:s3:::b/${k:many}",
    "arn:aws:s3:::${k:a, 'b'}/${*}",
    "arn:aws:s3:::b/${k:none, 'k'}",
    *RESOURCES,
]
PRINCIPALS: list[Any] = [
    "*",
    {"AWS": "*"},
    {"AWS": OWN},
    {"AWS": f"arn:aws:iam::{OWN}:root"},
    {"AWS": [OTHER, ROLE]},
    {"AWS": ROLE},
    {"AWS": SESSION},
    {"AWS": [SESSION, ROLE, OWN]},
    {"AWS": [FEDERATED, OWN]},
    {"AWS": [f"arn:aws:iam::{OWN}:user/u"]},
    {"AWS": [f"arn:aws:iam::{OWN}:user/u", f"arn:aws:iam::{OWN}:root"]},
    {"AWS": f"arn:aws:iam::{OTHER}:user/u"},
    {"Service": "sagemaker.amazonaws.com"},
    {"CanonicalUser": "c1"},
]
# By the kind of operator: operators, values of policies, values of requests.
TEXTS = ["", "b", "B", "b/k", "*", "?", "${k:a}", "${k:none, 'b'}", "${*}", "${k:none}", "b${", "x*"]
ARNS = ["arn:aws:s3:::b", "arn:*:s3:*", "arn:aws:s3:*:*:b", "arn:aws:s3:::*", "arn:aws:s3:::${k:a}", "*", "arn:aws:i*"]
KINDS: list[tuple[list[str], list[Any], list[str]]] = [
    (["StringEquals", "StringNotEquals", "StringLike", "StringNotLike"], TEXTS, ["", "b", "B", "b/k", "*", "x:y"]),
    (["StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase"], TEXTS, ["", "b", "B", "*"]),
    (["ArnLike", "ArnEquals", "ArnNotLike", "ArnNotEquals"], ARNS, [*RESOURCES, "b"]),
    (
        [f"Numeric{one}" for one in ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan")],
        [1, "1", "1.0", 2.5, "-3", "1e1"],
        ["1", "2", "10", "x", "2.50"],
    ),
    (
        [f"Date{one}" for one in ("Equals", "NotEquals", "LessThan", "GreaterThanEquals", "GreaterThan")],
        ["2020-01-01T00:00:00Z", "1577836800", "2021-01-01", 0],
        ["2020-01-01T00:00:00Z", "2020-01-01T00:00:01Z", "1577836800", "never"],
    ),
    (["Bool"], [True, "true", "FALSE"], ["true", "false", "maybe"]),
    (["BinaryEquals"], ["QQ==", "QUI="], ["QQ==", "QUI="]),
    (["IpAddress", "NotIpAddress"], ["10.0.0.0/8", "10.1.2.3", "0.0.0.0/0"], ["10.1.2.3", "11.0.0.1", "::1", "x"]),
]
FACTS = {
    "k:a": ["b"],
    "k:many": ["k", "l"],
    "k:account": [OWN],
}


def one_or_more(values: SearchStrategy[Any]) -> SearchStrategy[Any]:
    return values | st.lists(values, min_size=1, max_size=2)


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(draw(st.integers(0, 2))):
        number = draw(st.integers(-1, len(KINDS) - 1))
        if number < 0:
            found["Null"] = {
                draw(st.sampled_from(["k:a", "k:0", "k:none"])): draw(st.sampled_from(["true", False, "TRUE"]))
            }
            continue
        operators, values, _ = KINDS[number]
        sets = draw(st.sampled_from(["", "", "", "ForAllValues:", "ForAnyValue:"]))
        operator = sets + draw(st.sampled_from(operators)) + draw(st.sampled_from(["", "", "IfExists"]))
        found[operator] = {
            draw(st.sampled_from([f"k:{number}", f"K:{number}"])): draw(one_or_more(st.sampled_from(values)))
        }
    return found


@st.composite
def statements(draw: st.DrawFn, with_principal: bool) -> dict[str, Any]:
    effect = draw(st.sampled_from([*["Allow"] * 5, "Deny"]))
    action = draw(st.sampled_from([*["Action"] * 5, "NotAction"]))
    resource = draw(st.sampled_from([*["Resource"] * 5, "NotResource"]))
    statement = {
        "Effect": effect,
        action: draw(one_or_more(st.sampled_from(ACTION_PATTERNS))),
        resource: draw(one_or_more(st.sampled_from(RESOURCE_PATTERNS))),
    }
    if found := draw(conditions()):
        statement["Condition"] = found
    if with_principal:
        name = "NotPrincipal" if effect == "Deny" and draw(st.booleans()) else "Principal"
        statement[name] = draw(st.sampled_from(PRINCIPALS))
    return statement


def policies(with_principal: bool = False) -> SearchStrategy[Document]:
    some = st.lists(statements(with_principal), min_size=1, max_size=3)
    version = st.sampled_from(["2012-10-17", "2012-10-17", "2012-10-17", "2008-10-17"])
    return st.builds(lambda version, statement: {"Version": version, "Statement": statement}, version, some)


@st.composite
def facts(draw: st.DrawFn) -> dict[str, list[str]]:
    found = {key: values for key, values in FACTS.items() if draw(st.integers(0, 3))}
    for number, (_, _, values) in enumerate(KINDS):
        if draw(st.integers(0, 3)):
            found[f"k:{number}"] = draw(st.lists(st.sampled_from(values), max_size=2))
    return found


def questions() -> SearchStrategy[Question]:
    return st.builds(
        Question,
        subject=st.sampled_from(SUBJECTS),
        action=st.sampled_from(ACTIONS),
        resource=st.sampled_from(RESOURCES),
        owner=st.sampled_from([OWN, OWN, OTHER]),
        facts=facts(),
        identity=st.lists(policies(), max_size=2),
        boundary=st.none() | st.none() | policies(),
        session=st.none() | st.none() | st.lists(policies(), max_size=2),
        resource_policy=st.none() | policies(with_principal=True),
        needs_resource_policy=st.booleans(),
    )
