"""botocore's protocol cases run backwards: its requests are parsed, Lowcloud's responses are read by its parsers."""

import pytest
from botocore.awsrequest import HeadersDict
from botocore.parsers import create_parser

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.protocol.parse import parse
from lowcloud.api.aws.protocol.routing import Router, Target
from lowcloud.api.aws.protocol.serialize import serialize, serialize_error
from lowcloud.api.http.messages import HttpRequest
from lowcloud.api.http.urls import query_pairs
from tests.support.servers.botocore_cases import WHY_SKIPPED, Case, body_of, comparable, read_cases, to_python

INPUTS, OUTPUTS = list(read_cases("input")), list(read_cases("output"))
ERRORS = [case for case in OUTPUTS if "error" in case.content or "errorCode" in case.content]
RESULTS = [case for case in OUTPUTS if case not in ERRORS]

# What cannot be run backwards, and why.
UNREADABLE_REQUESTS = {
    "SDKAppliedContentEncoding": "the compressed body is not in the case",
    "SDKAppendsGzipAndIgnoresHttpProvidedEncoding": "the compressed body is not in the case",
    "SDKAppendedGzipAfterProvidedEncoding": "the compressed body is not in the case",
    "IdempotencyTokenAutoFill": "the client adds a token that the parameters do not have",
    "EmptyQueryMaps": "an empty map is not sent",
    "HttpPrefixHeadersAreNotPresent": "an empty map is not sent",
    "OmitsEmptyListQueryValues": "an empty list is not sent",
    "HttpWithEmptyStructurePayload": "an absent structure is sent as an empty one",
    "HttpWithHeadersButNoPayload": "an absent structure is sent as an empty one",
    "HostWithPath": "the endpoint has a path of its own",
    "QueryPrecedence": "the named parameter takes the place of the map's",
}
UNREADABLE_ANSWERS = {
    "PayloadTraitsWithNoBlobBody": "botocore reads an absent blob as an empty one",
    "PayloadWithUnsetUnion": "botocore's parser refuses an absent union",
    "WithQuotedStringHeaders": "botocore's parser splits quoted texts at their commas",
    "WithTimestampHeaders": "botocore's parser splits dates at their commas",
    "rest-xml-XmlLists": "botocore's parser looks for flattened lists under another name than it sends them",
    "query-QueryXmlLists": "botocore's parser looks for flattened lists under another name than it sends them",
    "BodyWithXmlName": "botocore's parser looks for the member under the name of its shape",
}

pytestmark = pytest.mark.skipif(not INPUTS, reason=WHY_SKIPPED)


def query_maps(shape):
    """Return the members that are maps of query parameters."""
    members = shape.members.items() if shape else ()
    return [
        name
        for name, member in members
        if member.type_name == "map" and member.serialization.get("location") == "querystring"
    ]


def runnable(cases: list[Case], reasons: dict[str, str]):
    """Return the cases as parameters; those that cannot be reversed are skipped, with a reason."""
    parameters = []
    for case in cases:
        why = [reason for part, reason in reasons.items() if part in case.id]
        parameters.append(pytest.param(case, id=case.id, marks=[pytest.mark.skip(reason=why[0])] if why else []))
    return pytest.mark.parametrize("case", parameters)


@runnable(INPUTS, UNREADABLE_REQUESTS)
def test_a_request_is_parsed_into_its_parameters(case):
    sent = case.content["serialized"]
    path, _, query = sent["uri"].partition("?")
    headers = {name.lower(): value for name, value in sent.get("headers", {}).items()}
    request = HttpRequest(sent.get("method", "POST"), path, query, headers)
    labels = {}
    if case.protocol.startswith("rest-"):
        found = Router(case.service).match(request.method, path, dict(query_pairs(query)), headers)
        assert found is not None, "no route"
        labels = found[1]
    target = Target(case.service, case.operation, case.protocol, path, labels)
    parsed = parse(target, request, body_of(case, sent.get("body") or ""))
    shape = case.operation.input_shape
    expected = to_python(shape, case.content.get("params", {})) if shape else {}
    for name in query_maps(shape):  # a server puts every parameter into these: it cannot know which ones were meant
        assert comparable(expected.pop(name, {})).items() <= comparable(parsed.pop(name, {})).items()
    assert comparable(parsed) == comparable(expected)


@runnable(RESULTS, UNREADABLE_ANSWERS)
def test_a_result_is_serialised_so_that_botocore_reads_it(case):
    shape = case.operation.output_shape
    result = to_python(shape, case.content.get("result", {})) if shape else {}
    response = serialize(case.service, case.operation, case.protocol, result, "an-id")
    assert response.status == case.content["response"].get("status_code", 200)
    parsed = create_parser(case.protocol).parse(
        {"status_code": response.status, "headers": HeadersDict(response.headers), "body": response.body}, shape
    )
    parsed.pop("ResponseMetadata", None)
    payload = shape.serialization.get("payload") if shape else None
    if payload and isinstance(result.get(payload), bytes):
        result[payload] = result[payload].decode()  # botocore's parser gives text here
    assert comparable(parsed) == comparable(result)


@runnable(ERRORS, {})
def test_an_error_is_serialised_so_that_botocore_reads_it(case):
    shape = case.operation.error_shapes[0]
    fields = to_python(shape, case.content.get("error", {}))
    message = case.content.get("errorMessage", "")
    status = case.content["response"]["status_code"]
    error = AwsError(shape.name, message, status, fields)
    response = serialize_error(error, case.service, case.protocol, "1.1", "an-id")
    answered = {"status_code": response.status, "headers": HeadersDict(response.headers), "body": response.body}
    parsed = create_parser(case.protocol).parse(answered, case.operation.output_shape)
    assert parsed["Error"]["Code"] == case.content["errorCode"]
    assert (parsed["Error"].get("Message") or "") == message
    modelled = create_parser(case.protocol).parse(answered, shape)
    assert comparable({name: modelled.get(name) for name in fields}) == comparable(fields)
