"""The values of columns: what is a number, yes or no, a text or a time, and what is refused."""

import datetime
import itertools
import re

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.feature_transforms.cells import ReadingRules
from lowcloud.runtime.processing.preprocess import columns
from lowcloud.schemas.tables import MISSING_WORDS, NUMBER_LIKE
from lowcloud.sdk import InvalidInputError
from lowcloud.sdk.data import cells
from lowcloud.sdk.data.reading import Places, Reading
from tests.sdk.data.conftest import sent


def parsed(values, kind, dtype=None):
    frame = pl.DataFrame([pl.Series("a", values, dtype=dtype)])
    return cells.parse(frame, Reading(), Places("the data"), {"a": kind} if kind else {}, [])["a"]


@given(st.text("0123456789.eE+-infatyINFTY", min_size=1, max_size=8))
def test_a_text_that_is_read_as_a_number_looks_like_one(text):
    if pl.Series([text]).cast(pl.Float64, strict=False)[0] is not None:
        assert re.search(NUMBER_LIKE, text)


@pytest.mark.parametrize("number", [".5", "-.5", "5.", "1e-05", "1E5", ".5e3", ",5", "$.50", "1.5e-3%", "."])
def test_a_column_of_numbers_in_any_spelling_with_one_other_cell_is_refused(table, number):
    with pytest.raises(InvalidInputError, match=r"a\.csv, line \d, column 'x': .* is not a number"):
        table(f'x,y\n"{number}",0\n"{number}",1\nx,0\n')


def test_a_column_is_texts_if_fewer_than_half_of_its_cells_are_numbers(table):
    assert table("x,y\n.5,0\na,1\na,0\n") == "0,1,0\n1,0,1\n0,0,1\n"
    with pytest.raises(InvalidInputError, match="line 3, column 'x': 'a' is not a number"):
        table("x,y\n.5,0\na,1\n")


@pytest.mark.parametrize("values", [[0.7, 1.0], [1.0, 1.9], [0, 2], [-1, 1], ["0.7"], ["2"]])
def test_other_numbers_than_0_and_1_are_neither_yes_nor_no(values):
    with pytest.raises(InvalidInputError, match=r"column 'a': '.*' is neither yes nor no"):
        parsed(values, "boolean")


@pytest.mark.parametrize("values", [[1, 0, None], [1.0, 0.0, None], [1.0, 0.0, float("nan")], ["1.0", "0.0", ""]])
def test_0_and_1_are_no_and_yes_in_every_type(values):
    assert parsed(values, "boolean").to_list() == [True, False, None]


def test_validation_data_and_predictions_lose_no_fraction_of_a_boolean(prepare):
    train = pd.DataFrame({"b": [True, False], "y": [0, 1]})
    with pytest.raises(InvalidInputError, match=r"'0\.7' is neither yes nor no"):
        prepare({"train": train, "validation": pd.DataFrame({"b": [0.7, 1.9], "y": [0, 1]})}, "y")


def test_the_transform_takes_no_other_number_for_a_boolean():
    read = ReadingRules().reader("boolean")
    assert [read(cell) for cell in (0, 1.0, True, "yes")] == [0, 1, 1, 1]
    assert all(read(cell) != read(cell) for cell in (0.7, 2, -1, "0.7"))  # NaN
    column = columns.read(pl.Series("b", [0.0, 1.0, 0.7, None]), ReadingRules(), "boolean", 0)
    assert (column.unreadable, column.values[:2].tolist()) == (1, [0, 1])


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [("text", pl.String), ("time", pl.Datetime("us")), ("boolean", pl.Boolean), ("number", pl.Float64)],
)
@pytest.mark.parametrize("values", [pl.Null, pl.String, pl.Int64, pl.Datetime("ns", "UTC")])
def test_a_column_without_values_has_the_type_of_its_kind(kind, dtype, values):
    assert parsed([None, None], kind, values).dtype == dtype
    assert parsed(["NA", ""], kind).dtype == dtype


def test_a_column_without_values_in_the_validation_data_is_encoded(prepare):
    train = pd.DataFrame(
        {"t": ["a", None, "b"], "d": ["2024-01-31", "2024-02-01", None], "m": ["yes", "no", None], "y": [0, 1, 0]}
    )
    other = pd.DataFrame({"t": [None], "d": [None], "m": [None], "y": [1]})
    prepared = prepare({"train": train, "validation": other}, "y")
    assert sent(prepared, "validation") == "1,0,0,1,,,,,\n"  # label, t=a, t=b, t=(missing), year to weekday, m


def test_whole_numbers_are_not_labels_with_fractions(prepare):
    train = pl.DataFrame({"x": [1, 2], "y": [0.5, 1.5]})
    options = {"parameters": {"objective": "multi:softprob"}}
    assert sent(prepare(train, "y", **options)) == "0,1\n1,2\n"
    with pytest.raises(InvalidInputError, match="the label 0 does not occur in the training data"):
        prepare({"train": train, "validation": pl.DataFrame({"x": [1], "y": [0]})}, "y", **options)


def test_times_with_and_without_an_offset_in_a_column_are_refused(table, prepare):
    with pytest.raises(InvalidInputError, match=r"column 'x' in a\.csv has times with a UTC offset \(2024-01-02T00"):
        table("x,y\n2024-01-01,0\n2024-01-02T00:00+02:00,1\n")
    assert table("x,y\n2024-01-02T00:00+02:00,0\n2024-01-02T00:00Z,1\n").startswith("0,2024,1,1,0,22\n")
    both = [datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)]
    with pytest.raises(InvalidInputError, match="'x' in the table has times with a UTC offset"):
        prepare(pd.DataFrame({"x": pd.Series(both, dtype=object), "y": [0, 1]}), "y")


@pytest.mark.parametrize("labels", [[2**63, 2**63 + 1, 5], [1e17, 1e17 + 16, 5]])
def test_labels_that_floating_point_numbers_cannot_tell_apart_are_refused(table, labels):
    text = "x,y\n" + "".join(f"{row},{label}\n" for row, label in enumerate(labels))
    options = {"parameters": {"objective": "multi:softprob"}}
    with pytest.raises(InvalidInputError, match="'y' has labels of 9007199254740992 and more, which cannot be told"):
        table(text, **options)
    assert table(text, **options, reading={"types": {"y": "text"}}).count("\n") == 3


NUMBERS = ["1", ".5", "+3", "1.0", "0", "007", "inf", "1e400", "1_0", "0x1F", "10%", "$5", "."]
WORDS = ["x", "abc", "yes", "no", "Yes", "true", "False", "y", "f", "t", "NA"]
TIMES = ["2024-01-01", "2024-01-01T00:00Z", "31/12/2024", "9:05", "2024-13-01"]


def sdk_kind(texts):
    try:
        return cells.kind_of(parsed(texts, None, pl.String))
    except InvalidInputError:
        return "refused"


def preprocess_kind(texts):
    rules = ReadingRules(frozenset(MISSING_WORDS))
    try:
        return columns.read(pl.Series("a", texts, dtype=pl.String), rules, None, 0).kind
    except ClientError:
        return "refused"


def test_the_sdk_and_preprocess_see_the_same_kinds_of_columns():
    for one, other in itertools.combinations_with_replacement([*NUMBERS, *WORDS, *TIMES], 2):
        texts = [one, other, "", one]
        if set(texts) - {"NA", ""}:  # without values there is no kind
            assert (texts, sdk_kind(texts)) == (texts, preprocess_kind(texts))
