"""Fuzzing of parsers: arbitrary bytes are parsed or refused with the parser's own error."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowcloud.api.aws.auth.chunked_bodies import decode_chunks
from lowcloud.api.aws.auth.signature_v4 import SignatureError, read_claim
from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.protocol.formats import cbor, json, query, scalars, xml
from lowcloud.api.aws.protocol.routing import find_dialect
from lowcloud.api.aws.protocol.service_models import load_service
from lowcloud.api.http.messages import HttpRequest
from lowcloud.api.http.urls import MalformedUrlError, query_pairs

HEADS = st.sampled_from(["authorization", "x-amz-date", "date", "host", "x-amz-target", "content-type"])
PIECES = st.lists(
    st.sampled_from(
        ["AWS4-HMAC-SHA256 ", "Credential=", "a/20200101/r/s/aws4_request", ",", "SignedHeaders=", "host", ";"]
    )
    | st.text(max_size=10)
).map("".join)
PARAMETERS = st.lists(
    st.sampled_from(
        ["X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Signature=0", "X-Amz-Date=20200101T000000Z", "X-Amz-Expires=9"]
    )
    | st.text(max_size=10)
).map("&".join)


@given(st.binary(max_size=200))
def test_any_bytes_are_cbor_or_refused(body):
    try:
        cbor.loads(body)
    except AwsError as error:
        assert error.code == "SerializationException"


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_refused(body):
    try:
        json.loads(body)
    except AwsError as error:
        assert error.code == "SerializationException"


@given(st.binary(max_size=200) | st.text("<>/a=\"'!? &;[]", max_size=100).map(str.encode))
def test_any_bytes_are_xml_or_refused(body):
    try:
        xml.loads(body)
    except AwsError as error:
        assert error.code == "MalformedXML"


@given(st.text("a.1=&%4+\u00e9", max_size=100))
def test_any_text_is_a_form_or_refused(text):
    try:
        query.loads(query_pairs(text))
    except (MalformedUrlError, AwsError):
        return


@given(st.dictionaries(HEADS, PIECES), PARAMETERS)
def test_any_head_parses_as_signed_or_unsigned_or_is_refused(headers, parameters):
    request = HttpRequest("GET", "/", parameters, headers)
    try:
        claim = read_claim(request)
    except SignatureError:
        return
    find_dialect(request, claim.service if claim else None)


@given(
    st.text(max_size=30) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.Z+-]{0,20}"),
    st.sampled_from(["iso8601", "rfc822"]),
)
def test_any_text_is_a_time_or_refused(text, form):
    try:
        scalars.parse_timestamp(text, form)
    except AwsError as error:
        assert error.code == "SerializationException"


@given(st.lists(st.binary(max_size=40)), st.binary(max_size=5))
def test_any_bytes_are_chunks_or_refused(pieces, start):
    try:
        list(decode_chunks(iter([start, *(piece for piece in pieces if piece)]), None, frozenset(), {}))
    except AwsError as error:
        assert error.code in ("InvalidRequest", "IncompleteBody", "MalformedTrailerError")


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(), st.lists, max_leaves=30))
def test_cbor_written_by_cbor2_is_read_the_same(value):
    assert cbor.loads(cbor2.dumps(value)) == value


@pytest.mark.parametrize(
    "body",
    [
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",  # an array longer than the body
        b"\x5b\x00\x00\x00\xff\x00\x00\x00\x00",  # a string longer than the body
        b"\x81" * 100_000,
        b"\xd8\x1c\x80",  # a shared reference
        b"\xc2\x41\x00",  # a big number
        b"\xa1\x01\x02",  # a key that is not a text
        b"\x7f\x41a\xff",  # a text made of bytes
        b"\xf8\x20",
        b"\x1c",
        b"\xff",
        b"\x00\x00",
    ],
)
def test_cbor_that_the_protocol_does_not_use_is_refused(body):
    with pytest.raises(AwsError):
        cbor.loads(body)


@pytest.mark.parametrize("value", [0, 23, 24, 255, 256, 2**32, 2**63 - 1, -1, -(2**63)])
def test_integers_of_every_width_are_restored(value):
    shape = load_service("cloudwatch").operation("GetMetricData").input_shape
    assert cbor.loads(cbor.dumps(shape, {"MaxDatapoints": value})) == {"MaxDatapoints": value}


def test_a_document_is_refused_where_it_exceeds_a_limit_and_the_rest_is_not_parsed():
    rest = b"</not-parsed>" * 10
    for body, limit in (
        (b"<Delete>" + b"<Object/>" * 1002 + rest, xml.MAX_CHILDREN),
        (b"<Parts>" + b"<Part/>" * 10_001 + rest, 10_000),
        (b"<a>" + (b"<b>" + b"<c/>" * 1000 + b"</b>") * 150 + rest, 1000),
        (b"<a>" * 65 + rest, 1000),
    ):
        with pytest.raises(xml.MalformedXmlError, match=r"more than \d+ elements|nested too deeply"):
            xml.loads(body, limit)
    assert len(xml.loads(b"<Delete><Quiet/>" + b"<Object/>" * 1000 + b"</Delete>").children) == 1001


def test_a_long_text_between_elements_is_read_in_linear_time():
    text = "x" * (8 << 20) + "&amp;" * 1000
    assert xml.loads(f"<a>{text}<b/>end</a>".encode()).text == text.replace("&amp;", "&") + "end"


@pytest.mark.parametrize(
    ("loads", "body"),
    [
        (json.loads, b"[" + b"1," * scalars.MAX_ITEMS + b"1]"),
        (json.loads, b"[" + b"{}," * scalars.MAX_ITEMS + b"1]"),
        (cbor.loads, b"\x9f" + b"\x01" * scalars.MAX_ITEMS + b"\xff"),
        (lambda body: query.loads(query_pairs(body.decode())), b"a&" * (scalars.MAX_ITEMS + 1)),
    ],
)
def test_a_body_of_more_values_than_any_operation_takes_is_refused(loads, body):
    with pytest.raises(AwsError, match="more than 500000"):
        loads(body)


def test_a_list_is_parsed_as_far_as_its_validation_needs():
    shape = load_service("sagemaker").model.operation_model("AddTags").input_shape
    tag = {"Key": "a", "Value": "b"}
    maximum = shape.members["Tags"].metadata["max"]
    for parsed in (
        json.parse_structure(shape, {"Tags": [tag] * 100_000}),
        cbor.parse_structure(shape, {"Tags": [tag] * 100_000}),
    ):
        assert len(parsed["Tags"]) == maximum + 1
