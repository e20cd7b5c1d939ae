"""Raw rows of requests, as CSV, JSON and JSON Lines, through a transform to a predictor."""

import json
from pathlib import Path

import numpy as np
import pytest

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.feature_transforms import FILE, SourceColumn, Transform, load, save
from lowcloud.runtime.feature_transforms.attachment import copy_to_model, with_transform
from lowcloud.runtime.feature_transforms.cells import ReadingRules
from lowcloud.runtime.feature_transforms.features import OneHot, Scaled
from lowcloud.runtime.feature_transforms.requests import BATCH, LOGGED_LEVELS, TransformedPredictor
from lowcloud.runtime.formats import BadRequestError, UnsupportedMediaTypeError

SOURCES = (
    SourceColumn("id", "number", "dropped"),
    SourceColumn("age", "number"),
    SourceColumn("city", "text"),
    SourceColumn("left", "text", "target"),
)
TRANSFORM = Transform(
    SOURCES,
    (Scaled("age", fill=1.0, shift=1.0, scale=2.0), OneHot("city", ("Oslo", "Rome, N"))),
    rules=ReadingRules(frozenset({"NA", "?"})),
)


class Echo:
    """A predictor that returns its input."""

    def respond(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        assert content_type == "text/csv"
        return body, accept


@pytest.fixture
def predictor() -> TransformedPredictor:
    return TransformedPredictor(Echo(), TRANSFORM)


def requested(predictor: TransformedPredictor, body: str, content_type: str = "text/csv") -> list[list[float]]:
    answer, accept = predictor.respond(body.encode(), content_type, "x/any")
    assert accept == "x/any"
    return [[float(cell) for cell in line.split(",")] for line in answer.decode().splitlines()]


SAME = {
    "features": ("3,Oslo\n,Bern\n", "text/csv"),
    "no type": ("3,Oslo\n,Bern\n", ""),
    "carriage returns": ("3,Oslo\r\n,Bern\r\n", "text/csv; charset=utf-8"),
    "a byte order mark": ("\ufeff3,Oslo\nNA,Bern\n", "text/csv"),
    "whole rows": ("7,3,Oslo,yes\n8,,Bern,no", "text/csv"),
    "a header": ("city,left,age\nOslo,no,3\nBern,no,\n", "text/csv"),
    "objects": ('{"instances": [{"age": 3, "city": "Oslo"}, {"age": null, "city": "Bern"}]}', "application/json"),
    "texts in objects": (
        '{"instances": [{"age": "3", "city": "Oslo"}, {"age": null, "city": "Bern"}]}',
        "application/json",
    ),
    "lists": ('[[3, "Oslo"], [null, "Bern"]]', "application/json"),
    "feature lists": ('{"instances": [{"features": [3, "Oslo"]}, {"features": ["", "Bern"]}]}', "application/json"),
    "whole objects": (
        '[{"id": 1, "age": 3, "left": "no", "city": "Oslo"}, {"age": "?", "city": "Bern"}]',
        "application/json",
    ),
    "lines": ('{"age": 3.0, "city": "Oslo"}\n{"age": "", "city": "Bern"}\n\n', "application/jsonlines"),
}


@pytest.mark.parametrize("shape", SAME)
def test_rows_are_decoded_alike_in_all_formats(predictor: TransformedPredictor, shape: str) -> None:
    assert requested(predictor, *SAME[shape]) == [[1, 1, 0], [0, 0, 0]]


def test_a_single_row_needs_no_list(predictor: TransformedPredictor) -> None:
    for body in ('{"age": 3, "city": "Oslo"}', '[3, "Oslo"]', '{"features": [3, "Oslo"]}'):
        assert requested(predictor, body, "application/json") == [[1, 1, 0]]
    assert requested(predictor, '3,"Rome, N"') == [[1, 0, 1]]
    assert requested(predictor, '3,"Os\nlo"\n5,Os\u2028lo') == [[1, 0, 0], [2, 0, 0]]


def test_many_rows_have_the_result_of_each(predictor: TransformedPredictor) -> None:
    rows = [f"{i / 7!r},{'Oslo' if i % 3 else ''}" for i in range(3 * BATCH)]
    together = requested(predictor, "\n".join(rows))
    assert together == [requested(predictor, row)[0] for row in rows]


REFUSED = {
    "": "no rows",
    "\n": "no rows",
    "3,Oslo\n\n4,Oslo": "Row 2 is blank",
    "\n3,Oslo": "Row 1 is blank",
    '3,"Oslo"\n\n4,Oslo': "Row 2 is blank",
    "city,age\n\nOslo,3": "Row 1 is blank",
    "1,2,3,4,5": "Row 1 has 5 values; 2 or 4 were expected",
    "7,3,Oslo": "Row 1 has 3 values, which may be with or without the columns that training left out. Send age, city",
    "3,Oslo,yes": "or send names: a header in CSV, objects in JSON",
    "x,Oslo": "Row 1, column 'age': 'x' is not a number",
    "3,Oslo\n2%,Oslo": "Row 2, column 'age': '2%' is not a number",
    '"2,5",Oslo': "Row 1, column 'age': '2,5' is not a number",
    "1e999,Oslo": "Row 1, column 'age': '1e999' is not a number",
    "1_0,Oslo": "Row 1, column 'age': '1_0' is not a number",
    "\n".join(["1,Oslo"] * 40 + ["x,Oslo"]): "Row 41, column 'age': 'x' is not a number",
    '3,"Oslo': "not valid CSV",
    "age,city,colour\n3,Oslo,red": "The header: there is no column 'colour'",
    "age,city,age\n3,Oslo,4": "The header has the column 'age' twice",
    "3,Oslo\n1": "Row 2 has 1 values",
    "age,left\n3,no": "The header does not have the column 'city'",
    "age,city\n3,Oslo,1": "Row 1 has 3 values; the header has 2",
}
REFUSED_JSON = {
    "{": "not valid JSON",
    "3": "must look like",
    "[]": "no rows",
    '{"instances": []}': "no rows",
    '{"instances": {"a": 1}}': "no column 'a'. The columns are age, city",
    '{"instances": [{"age": [1], "city": "x"}]}': "Row 1 has a list or an object instead of a value",
    '{"instances": [7]}': "Row 1 has 1 values",
    '[{"city": "Oslo"}]': "Row 1 does not have the column 'age'; a missing value is empty or null",
    '[{"age": true, "city": "Oslo"}, {"age": "x", "city": "Oslo"}]': "Row 2, column 'age': 'x' is not a number",
    "[[1,2],[1]]": "Row 2 has 1 values",
    '["a", {}]': "Row 1 has a list or an object",
}


@pytest.mark.parametrize("body", REFUSED)
def test_rows_that_do_not_fit_are_refused(predictor: TransformedPredictor, body: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        predictor.respond(body.encode(), "text/csv", "")
    assert REFUSED[body] in str(caught.value)


@pytest.mark.parametrize("body", REFUSED_JSON)
def test_json_that_does_not_fit_is_refused(predictor: TransformedPredictor, body: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        predictor.respond(body.encode(), "application/json", "")
    assert REFUSED_JSON[body] in str(caught.value)


def test_other_types_are_refused(predictor: TransformedPredictor) -> None:
    with pytest.raises(UnsupportedMediaTypeError, match="Send raw rows as text/csv"):
        predictor.respond(b"", "application/x-recordio-protobuf", "")
    with pytest.raises(BadRequestError, match="not valid UTF-8"):
        predictor.respond(b"\xff,a", "text/csv", "")


def test_a_training_job_keeps_the_transform_of_its_channel(tmp_path: Path) -> None:
    data, model = tmp_path / "data", tmp_path / "model"
    copy_to_model(data, model)
    assert not model.exists()
    (data / "transform" / "sub").mkdir(parents=True)
    save(TRANSFORM, data / "transform" / "sub" / FILE)
    copy_to_model(data, model)
    assert load(model / FILE) == TRANSFORM
    assert isinstance(with_transform(Echo(), model), TransformedPredictor)
    assert isinstance(with_transform(Echo(), tmp_path), Echo)
    (data / "transform" / "sub" / FILE).write_text(json.dumps({"format": "lowcloud/transform", "version": 9}))
    with pytest.raises(ClientError, match=r"Channel transform: .*version 9"):
        copy_to_model(data, model)
    (data / "transform" / "sub" / FILE).rename(data / "transform" / "other.json")
    with pytest.raises(ClientError, match=r"must contain one transform\.json"):
        copy_to_model(data, model)


def test_a_missing_number_that_is_not_filled_reaches_the_predictor_as_nan() -> None:
    predictor = TransformedPredictor(Echo(), Transform(SOURCES, (Scaled("age"),)))
    assert np.isnan(requested(predictor, '{"age": null}', "application/json")[0][0])


@pytest.mark.parametrize("count", [1, BATCH])
def test_texts_without_a_category_are_written_to_the_log_once(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    predictor = TransformedPredictor(Echo(), TRANSFORM)
    body = "\n".join(["3,Oslo", "3,Bern", "3,NA"] * count)
    for _ in range(2):
        requested(predictor, body)
    assert capsys.readouterr().out.splitlines() == [
        "Column 'city': 'Bern' has no category in the training data, and counts as unknown.",
        "Column 'city': a missing value has no category in the training data, and counts as unknown.",
    ]
    requested(predictor, "\n".join(f"3,x{i}" for i in range(300)))
    assert len(capsys.readouterr().out.splitlines()) == LOGGED_LEVELS - 1


def test_a_missing_text_that_is_filled_has_the_category_of_its_replacement(capsys: pytest.CaptureFixture[str]) -> None:
    filled = Transform(SOURCES, (OneHot("city", ("Oslo", "Rome"), fill="Oslo"),))
    assert requested(TransformedPredictor(Echo(), filled), '{"city": null}', "application/json") == [[1, 0]]
    assert not capsys.readouterr().out
