"""Requests and responses of an endpoint, in the formats of SageMaker's documentation."""

import dataclasses
import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowcloud.runtime.algorithms.linear_learner.model import LinearModel
from lowcloud.runtime.algorithms.linear_learner.predictor import LinearPredictor
from lowcloud.runtime.formats import BadRequestError, NotAcceptableError, UnsupportedMediaTypeError, framing, recordio
from lowcloud.runtime.formats.inference import CSV, JSON, JSON_LINES, RECORDIO
from tests.support.data.tables import encode_table

ONE = np.array([[0.5], [-1.0], [2.0]])
MODELS = {
    "binary": LinearModel("binary_classifier", "logistic", ONE, np.array([0.25]), threshold=0.1),
    "hinge": LinearModel("binary_classifier", "hinge_loss", ONE, np.array([0.25])),
    "regressor": LinearModel("regressor", "squared_loss", ONE, np.array([0.25])),
    "many": LinearModel("multiclass_classifier", "softmax_loss", ONE * [1, 0, -1, 2], np.array([0.0, 1, 0, -1])),
}
ROWS = np.array([[1.0, 2, 3], [-1, 0.5, -2], [0, 0, 0]])
LINES = [b"1.0,2,3", b"-1,0.5,-2", b"0,0,0"]
BODIES = {
    CSV: b"\n".join(LINES),
    JSON: json.dumps({"instances": [{"features": row} for row in ROWS.tolist()]}).encode(),
    JSON_LINES: b"\n".join(json.dumps({"features": row}).encode() for row in ROWS.tolist()),
    RECORDIO: encode_table(ROWS.astype("f4"), None),
}


def expected(name: str, rows: np.ndarray = ROWS) -> list[dict[str, object]]:
    model = MODELS[name]
    scores, labels = model.scores(rows), model.predict(rows)
    answers = []
    for score, label in zip(scores, labels, strict=True):
        answer: dict[str, object] = {"score": score.tolist() if len(score) > 1 else float(score[0])}
        answers.append(answer if name == "regressor" else answer | {"predicted_label": int(label)})
    return answers


def close(left: list[dict[str, object]], right: list[dict[str, object]]) -> bool:
    return [entry.keys() for entry in left] == [entry.keys() for entry in right] and all(
        np.allclose(a[key], b[key], rtol=1e-6) for a, b in zip(left, right, strict=True) for key in b
    )


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("content_type", BODIES)
def test_every_request_format_is_answered_as_json(name: str, content_type: str) -> None:
    body, kind = LinearPredictor(MODELS[name]).respond(BODIES[content_type], content_type, JSON)
    answer = json.loads(body)
    assert kind == JSON
    assert list(answer) == ["predictions"]
    assert close(answer["predictions"], expected(name))


@pytest.mark.parametrize("name", MODELS)
def test_responses_in_all_formats_are_equal(name: str) -> None:
    predictor = LinearPredictor(MODELS[name])
    body, kind = predictor.respond(BODIES[CSV], CSV, JSON_LINES)
    assert kind == JSON_LINES
    assert close([json.loads(line) for line in body.splitlines()], expected(name))
    data, kind = predictor.respond(BODIES[CSV], CSV, RECORDIO)
    view = memoryview(data)
    records = [recordio.decode(view[a:b]).label for a, b in recordio.split(view)]
    unpacked = [{key: tensor.values.tolist() for key, tensor in label.items()} for label in records]
    assert kind == RECORDIO
    assert close(unpacked, expected(name))
    body, kind = predictor.respond(BODIES[CSV], CSV, CSV)
    cells = [[float(cell) for cell in line.split(",")] for line in body.decode().splitlines()]
    wanted = [
        np.hstack([*([e["predicted_label"]] if "predicted_label" in e else []), e["score"]]) for e in expected(name)
    ]
    assert kind == CSV
    assert np.allclose(cells, wanted, rtol=1e-6)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("accept", [JSON, CSV, JSON_LINES, ""])
def test_one_csv_row_is_predicted_like_the_first_of_many(name: str, accept: str) -> None:
    predictor = LinearPredictor(MODELS[name])
    for line in LINES:
        alone, kind = predictor.respond(line + b"\n", CSV, accept)
        first, same_kind = predictor.respond(line + b"\n" + BODIES[CSV], CSV, accept)
        assert kind == same_kind
        if kind == JSON:
            assert close(json.loads(alone)["predictions"], json.loads(first)["predictions"][:1])
        elif kind == CSV:
            assert np.allclose(
                [float(c) for c in alone.split(b",")], [float(c) for c in first.split(b"\n")[0].split(b",")]
            )


def test_an_extreme_margin_gives_a_score_of_0_or_1() -> None:
    predictor = LinearPredictor(LinearModel("binary_classifier", "logistic", np.array([[1.0]]), np.zeros(1)))
    assert predictor.respond(b"-5000", CSV, CSV)[0] == b"0,0.0\n"
    assert predictor.respond(b"5000", CSV, CSV)[0] == b"1,1.0\n"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", JSON),
        ("text/csv; charset=utf-8", CSV),
        ("image/png, text/csv;q=0.5", CSV),
        ("application/*", JSON),
        ("TEXT/CSV", CSV),
    ],
)
def test_accept_headers_of_browsers_are_parsed(accept: str, kind: str) -> None:
    assert LinearPredictor(MODELS["binary"]).respond(BODIES[JSON], "application/json; charset=utf-8", accept)[1] == kind


def test_sparse_json_and_wrapped_json_are_read() -> None:
    predictor = LinearPredictor(MODELS["regressor"])
    tensor = {"keys": [0, 2], "shape": [3], "values": [1, 3]}
    body = json.dumps({"instances": [{"data": {"features": tensor}}, {"features": [1, 0, 3]}]}).encode()
    scores = [entry["score"] for entry in json.loads(predictor.respond(body, JSON, JSON)[0])["predictions"]]
    assert scores[0] == scores[1] == pytest.approx(6.75)


BAD = [
    (
        JSON,
        b'{"instances": [{"features": {"keys": [1, 1], "shape": [3], "values": [1, 2]}}]}',
        "Instance 1 has a key twice",
    ),
    (CSV, b"", "no rows"),
    (CSV, b"1,2", "Row 1 has 2 features; the model needs 3"),
    (CSV, b"1,2,3\n\n4,5,6", "Row 2 is blank"),
    (CSV, b"\n1,2,3", "Row 1 is blank"),
    (CSV, b"1,2,3\n1,2,1_0", "Row 2, feature 3: '1_0' is not a number"),
    (CSV, b"1,2,1_0", "Row 1, feature 3: '1_0' is not a number"),
    (CSV, "1,2,٣".encode(), "Row 1, feature 3: '٣' is not a number"),
    (CSV, b"a,b,c\n1,2,3", "Row 1 looks like a header ('a,b,c'). Send rows of 3 numbers without a header"),
    (CSV, b'1,"0,35",2', "Row 1, feature 2: '0,35' is not a number. Write it with a decimal point"),
    (CSV, b'1,"2,3', "Row 1, feature 2: '\"2,3' has an unbalanced quotation mark"),
    (CSV, b'1,2"",3', "unbalanced quotation mark"),
    (CSV, b"1,2,1e39", "Row 1, feature 3 is not a finite number (as float32)"),
    (CSV, b"1,2,\n3", "Row 1, feature 3 is empty"),
    (CSV, b"1,2,3\n1,2", "Row 2 has 2 features; the model needs 3"),
    (CSV, b"1,2,3,4\n1,2,3,4", "Row 1 has 4 features; the model needs 3"),
    (CSV, b"1,x,3", "Row 1, feature 2: 'x' is not a number"),
    (CSV, b"1,2,3\n1,,3", "Row 2, feature 2 is empty"),
    (CSV, b"1,nan,3", "Row 1, feature 2: nan is not a finite number"),
    (JSON, b"{", "not valid JSON"),
    (JSON, b"[1,2,3]", '{"instances": [{"features"'),
    (JSON, b'{"instances":[{"features":[1,2]}]}', "Instance 1 has 2 features"),
    (JSON, b'{"instances":[{"features":["a",2,3]}]}', 'Instance 1, feature 1: "a" is not a number'),
    (JSON, b'{"instances":[{"features":[1,"1_0",3]}]}', 'Instance 1, feature 2: "1_0" is not a number'),
    (JSON, b'{"instances":[{"features":[true,2,3]}]}', "Instance 1, feature 1: true is not a number"),
    (JSON, b'{"instances":[{"features":[null,2,3]}]}', "Instance 1, feature 1: null is not a number"),
    (JSON, b'{"instances":[{"features":[[1,2,3]]}]}', "Instance 1, feature 1: [1, 2, 3] is not a number"),
    (JSON, b'{"instances":[{"features":7}]}', "Instance 1: features must be a list of numbers"),
    (JSON, b'{"instances":[{"a":1,"b":2,"c":3}]}', "in the order of the training data, which had no names of columns"),
    (JSON_LINES, b'{"features":[1,2,3]}\n\n{"features":[1,2,3]}', "Row 2 is blank"),
    (JSON_LINES, b'{"features":[1,2,3]}\n{', "Line 2 is not valid JSON"),
    (RECORDIO, b"rubbish!", "Record 1: no record starts here"),
    (RECORDIO, encode_table(np.ones((1, 2), "f4"), None), "Record 1 has 2 features"),
]


@pytest.mark.parametrize(("content_type", "body", "sentence"), BAD)
def test_a_bad_request_says_what_is_wrong(content_type: str, body: bytes, sentence: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        LinearPredictor(MODELS["binary"]).respond(body, content_type, JSON)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf1,2,3\n-1,.5,-2",
        b"1,2,3\r\n-1,.5,-2\r\n",
        b'"1",2,"3"\n"-1", ".5" ,-2\n\n\n',
        b" +1, 2. ,3\n-1,5e-1,-2",
    ],
)
def test_csv_is_read_as_training_reads_it(body: bytes) -> None:
    predictor = LinearPredictor(MODELS["regressor"])
    assert predictor.respond(body, CSV, CSV) == predictor.respond(b"1,2,3\n-1,0.5,-2", CSV, CSV)
    first = body.splitlines()[0]
    assert predictor.respond(first, CSV, CSV)[0] == predictor.respond(b"1,2,3", CSV, CSV)[0]


def test_a_sparse_row_of_zeros_is_a_row_of_zeros() -> None:
    predictor = LinearPredictor(MODELS["regressor"])
    tensor = recordio._delimited(2, recordio._delimited(2, recordio._delimited(3, b"\x03")))
    named = recordio._delimited(1, recordio._delimited(1, b"values") + tensor)
    zeros = predictor.respond(b"0,0,0", CSV, CSV)
    assert predictor.respond(framing.frame(named), RECORDIO, CSV) == zeros
    body = b'{"instances": [{"features": {"keys": [], "shape": [3], "values": []}}]}'
    assert predictor.respond(body, JSON, CSV) == zeros


def test_objects_of_names_are_matched_with_the_names_of_the_training_data() -> None:
    predictor = LinearPredictor(dataclasses.replace(MODELS["regressor"], names=("a", "b", "features")))
    by_place = predictor.respond(b"1,2,3", CSV, CSV)
    assert predictor.respond(b'{"instances": [{"features": 3, "a": 1, "b": 2}]}', JSON, CSV) == by_place
    assert predictor.respond(b'{"features": [1, 2, 3]}', JSON_LINES, CSV) == by_place
    with pytest.raises(BadRequestError, match="Instance 1: the feature 'b' is not given; the features are a, b"):
        predictor.respond(b'{"instances": [{"a": 1, "features": 3}]}', JSON, CSV)
    with pytest.raises(BadRequestError, match="Line 1: there is no feature 'c'"):
        predictor.respond(b'{"a": 1, "b": 2, "c": 3, "features": 3}', JSON_LINES, CSV)


def test_unknown_formats_are_refused_by_name() -> None:
    with pytest.raises(UnsupportedMediaTypeError, match="image/png"):
        LinearPredictor(MODELS["binary"]).respond(b"1,2,3", "image/png", JSON)
    with pytest.raises(NotAcceptableError, match="image/png"):
        LinearPredictor(MODELS["binary"]).respond(b"1,2,3", CSV, "image/png")


@settings(max_examples=300)
@given(st.sampled_from(sorted(BODIES)), st.binary(max_size=60), st.booleans())
def test_any_body_gives_a_response_or_an_error(content_type: str, noise: bytes, prepend: bool) -> None:
    body = BODIES[content_type] + noise if prepend else noise
    try:
        LinearPredictor(MODELS["many"]).respond(body, content_type, JSON)
    except BadRequestError as error:
        assert str(error)


def test_one_row_costs_microseconds() -> None:
    predictor = LinearPredictor(LinearModel("binary_classifier", "logistic", np.ones((30, 1)), np.zeros(1)))
    body = b",".join(b"0.123456" for _ in range(30))
    started = time.process_time()
    for _ in range(2000):
        predictor.respond(body, CSV, JSON)
    assert (time.process_time() - started) / 2000 < 100e-6  # 7 us measured; the bound leaves room for slow machines
