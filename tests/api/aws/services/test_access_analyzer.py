"""ValidatePolicy: findings by AWS's codes, at the places that they are about."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from lowcloud.api.aws.access.policy_checks.documents import check
from lowcloud.api.aws.gateway import Gateway
from lowcloud.core.policies import documents
from lowcloud.core.policies.documents import PolicyError
from lowcloud.core.policies.positions import Positions
from tests.support.policies.fuzz import documents_at_random
from tests.support.servers.gateways import make_context, serving

FINE = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}
TRUST = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}


@pytest.fixture(scope="module")
def analyzer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    context = make_context(tmp_path_factory.mktemp("analyzer") / "home")
    gateway = Gateway(context)
    with serving(gateway) as endpoint:
        yield endpoint.client("accessanalyzer")
    gateway.close()
    context.database.close()


def policy(*statements: dict[str, Any], **more: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **more})


def codes(text: str, elements: documents.Elements = documents.IDENTITY) -> list[tuple[str, str]]:
    return [(finding.type, finding.code) for finding in check(text, elements)]


def test_a_policy_without_faults_has_no_findings(analyzer: Any) -> None:
    condition = {"StringEquals": {"s3:ExistingObjectTag/Team": "${aws:PrincipalTag/team}", "aws:ResourceTag/a": "b"}}
    text = policy({**FINE, "Condition": condition})
    assert analyzer.validate_policy(policyDocument=text, policyType="IDENTITY_POLICY")["findings"] == []
    found = analyzer.validate_policy(
        policyDocument=policy(TRUST),
        policyType="RESOURCE_POLICY",
        validatePolicyResourceType="AWS::IAM::AssumeRolePolicyDocument",
    )
    assert found["findings"] == []


def test_a_finding_says_where_it_is(analyzer: Any) -> None:
    text = json.dumps({"Version": "2012-10-17", "Statement": [FINE, {**FINE, "Action": ["s3:Read"]}]}, indent=2)
    (found,) = analyzer.validate_policy(policyDocument=text, policyType="IDENTITY_POLICY")["findings"]
    assert (found["findingType"], found["issueCode"]) == ("ERROR", "INVALID_ACTION")
    assert found["findingDetails"] == "The action s3:Read does not exist."
    assert found["learnMoreLink"].endswith("#access-analyzer-reference-policy-checks-error-invalid-action")
    (location,) = found["locations"]
    assert location["path"] == [{"value": "Statement"}, {"index": 1}, {"value": "Action"}, {"index": 0}]
    start, end = location["span"]["start"], location["span"]["end"]
    assert text[start["offset"] : end["offset"]] == '"s3:Read"'
    assert text.split("\n")[start["line"] - 1][start["column"] : end["column"]] == '"s3:Read"'


def test_findings_have_pages(analyzer: Any) -> None:
    text = policy({**FINE, "Action": [f"s3:Read{number}" for number in range(5)]})
    pages = analyzer.get_paginator("validate_policy").paginate(
        policyDocument=text, policyType="IDENTITY_POLICY", PaginationConfig={"PageSize": 2}
    )
    assert [len(page["findings"]) for page in pages] == [2, 2, 1]


@pytest.mark.parametrize("kind", ["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY", "OTHER"])
def test_policies_that_do_not_exist_here_are_refused(analyzer: Any, kind: str) -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        analyzer.validate_policy(policyDocument=policy(FINE), policyType=kind)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Action": "s3:Read*"}, "INVALID_ACTION"),
        ({"Action": "GetObject"}, "INVALID_ACTION"),
        ({"Action": "s33:GetObject"}, "INVALID_SERVICE_IN_ACTION"),
        ({"Action": 1}, "DATA_TYPE_MISMATCH"),
        ({"Effect": "allow"}, "INVALID_EFFECT"),
        ({"Effect": None}, "MISSING_EFFECT"),
        ({"Action": None}, "MISSING_ACTION"),
        ({"Resource": None}, "MISSING_RESOURCE"),
        ({"NotAction": "ec2:*"}, "UNSUPPORTED_ELEMENT_COMBINATION"),
        ({"Principal": "*"}, "UNSUPPORTED_PRINCIPAL"),
        ({"Actions": "s3:*"}, "INVALID_POLICY_ELEMENT"),
        ({"Resource": "b"}, "INVALID_ARN_PREFIX"),
        ({"Resource": "arn:aws:s3:b"}, "MISSING_ARN_FIELD"),
        ({"Resource": "arn:amazon:s3:::b"}, "INVALID_PARTITION"),
        ({"Resource": "arn:aws:S3:::b"}, "INVALID_ARN_SERVICE_CASE"),
        ({"Resource": "arn:aws:iam::123:role/r"}, "INVALID_ARN_ACCOUNT"),
        ({"Resource": "arn:aws:iam:us-east-1:123456789012:role/r"}, "ARN_REGION_NOT_ALLOWED"),
        ({"Resource": "arn:aws:sagemaker:us-east-1:123456789012:training/a"}, "INVALID_ARN_RESOURCE"),
        ({"Condition": {"StringEqual": {"aws:username": "a"}}}, "INVALID_CONDITION_OPERATOR"),
        ({"Condition": {"NullIfExists": {"aws:username": "true"}}}, "NULL_WITH_IF_EXISTS"),
        ({"Condition": {"StringEquals": {"aws:nobody": "a"}}}, "INVALID_GLOBAL_CONDITION_KEY"),
        ({"Condition": {"StringEquals": {"s3:nothing": "a"}}}, "INVALID_SERVICE_CONDITION_KEY"),
        ({"Condition": {"StringEquals": {"prefix": "a"}}}, "INVALID_CONDITION_KEY_FORMAT"),
        ({"Condition": {"StringEquals": {"s3:max-keys": "1"}}}, "TYPE_MISMATCH"),
        ({"Condition": {"NumericEquals": {"s3:max-keys": "one"}}}, "TYPE_MISMATCH_NUMBER"),
        ({"Condition": {"DateLessThan": {"aws:CurrentTime": "soon"}}}, "TYPE_MISMATCH_DATE"),
        ({"Condition": {"Bool": {"aws:SecureTransport": "yes"}}}, "TYPE_MISMATCH_BOOLEAN"),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}}}, "TYPE_MISMATCH_IP_RANGE"),
        ({"Condition": {"StringEquals": {"s3:prefix": "a", "S3:Prefix": "b"}}}, "DUPLICATE_KEYS_WITH_DIFFERENT_CASE"),
    ],
)
def test_what_does_not_function_is_an_error(changes: dict[str, Any], code: str) -> None:
    changed = {name: value for name, value in {**FINE, **changes}.items() if value is not None}
    assert codes(policy(changed)) == [("ERROR", code)]


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ({"Action": "iam:PassRole", "Resource": "*"}, ("SECURITY_WARNING", "PASS_ROLE_WITH_STAR_IN_RESOURCE")),
        ({"Action": "*", "Resource": "*"}, ("SECURITY_WARNING", "PASS_ROLE_WITH_STAR_IN_ACTION_AND_RESOURCE")),
        (
            {"NotAction": "s3:*", "Resource": "*"},
            ("SECURITY_WARNING", "PASS_ROLE_WITH_NOT_ACTION_AND_STAR_IN_RESOURCE"),
        ),
        (
            {"Condition": {"ForAllValues:StringEquals": {"s3:prefix": "a"}}},
            ("SECURITY_WARNING", "FORALLVALUES_WITH_SINGLE_VALUED_KEY"),
        ),
        ({"Action": ["s3:Get*", "s3:GetObject"]}, ("SUGGESTION", "REDUNDANT_ACTION")),
        ({"Resource": ["arn:aws:s3:::b/*", "arn:aws:s3:::b/a*"]}, ("SUGGESTION", "REDUNDANT_RESOURCE")),
    ],
)
def test_what_allows_too_much_or_nothing_more_is_found(statement: dict[str, Any], finding: tuple[str, str]) -> None:
    base = {} if "NotAction" in statement else {"Action": "s3:GetObject"}
    assert codes(policy({"Effect": "Allow", "Resource": "arn:aws:s3:::b/*", **base, **statement})) == [finding]
    if "PASS_ROLE_WITH_STAR_IN_RESOURCE" in finding:
        limited = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
        assert codes(policy({"Effect": "Allow", **statement, "Condition": limited})) == []
        assert codes(policy({"Effect": "Deny", **statement})) == []


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("{", ("ERROR", "JSON_SYNTAX_ERROR")),
        ("[" * 100_000, ("ERROR", "JSON_SYNTAX_ERROR")),
        ("[]", ("ERROR", "DATA_TYPE_MISMATCH")),
        (json.dumps({"Version": "2012-10-17"}), ("ERROR", "MISSING_STATEMENT")),
        (json.dumps({"Statement": FINE}), ("WARNING", "MISSING_VERSION")),
        (policy(FINE, Version="2020-01-01"), ("ERROR", "INVALID_VERSION")),
        (policy(FINE, Name="a"), ("ERROR", "INVALID_POLICY_ELEMENT")),
    ],
)
def test_documents_have_findings_of_their_own(text: str, finding: tuple[str, str]) -> None:
    assert codes(text) == [finding]


def test_sids_are_unique() -> None:
    assert set(codes(policy({**FINE, "Sid": "A"}, {**FINE, "Sid": "A"}))) == {("ERROR", "UNIQUE_SIDS_REQUIRED")}


def test_resource_policies_need_principals() -> None:
    assert codes(policy(FINE), documents.RESOURCE) == [("ERROR", "MISSING_PRINCIPAL")]
    spared = {**FINE, "NotPrincipal": {"AWS": "123456789012"}}
    assert ("SECURITY_WARNING", "ALLOW_WITH_NOT_PRINCIPAL") in codes(policy(spared), documents.RESOURCE)
    assert codes(policy({**TRUST, "Resource": "*"}), documents.TRUST) == [("ERROR", "UNSUPPORTED_RESOURCE")]


@settings(max_examples=150)
@given(documents_at_random(), st.sampled_from([documents.IDENTITY, documents.RESOURCE, documents.TRUST]))
def test_what_is_refused_when_it_is_stored_has_an_error(text: str, elements: documents.Elements) -> None:
    found = check(text, elements)
    try:
        documents.parse(text, elements)
    except PolicyError:
        assert any(finding.type == "ERROR" for finding in found)
    if found and all(finding.offset is None for finding in found):
        positions = Positions(text)
        for finding in found:
            for path in finding.paths:
                span = positions.of(path)
                json.loads(text[span.start.offset : span.end.offset])
