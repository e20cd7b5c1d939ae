"""Every accepted form of a table is the same training data and the same requests, in any order of columns."""

import datetime
import gzip
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import lowcloud
from lowcloud.sdk import InvalidInputError, storage
from lowcloud.sdk.connection import Cloud, connect
from lowcloud.sdk.data import rows, sources
from lowcloud.sdk.data.channels import ModelKind, Prepared
from lowcloud.sdk.data.columns import Columns
from tests.sdk.data.conftest import prepare_at

NAMES = ("a", "b c", 'q"r', "x,y", "ü", " lead", "n;o", "#p", "NA", "2024")
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "whole": st.integers(-(2**40), 2**40),
    "number": st.none() | st.floats(-1e6, 1e6),
    "boolean": st.booleans(),
    "yes": st.sampled_from(["yes", "no"]),
    "text": st.none() | st.sampled_from(["Oslo", "Bern, CH", 'the "Hague"', "two\nlines", "N/A", "-", " "]),
    "time": st.none() | st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2100, 1, 1)),
}
LABELS = (st.integers(0, 2), st.sampled_from(["good", "bad"]), st.booleans(), st.sampled_from([1, 2]))


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    """A table with a label `label` and up to four features of any kind, in any order of columns."""
    count = draw(st.integers(2, 8))
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True))
    columns = {
        name: draw(st.lists(KINDS[draw(st.sampled_from(list(KINDS)))], min_size=count, max_size=count))
        for name in names
    }
    label = draw(st.lists(draw(st.sampled_from(LABELS)), min_size=count, max_size=count))
    columns["label"] = [*draw(st.sampled_from([[0, 1], [False, True], ["bad", "good"]])), *label][:count]
    columns["label"] = [value for value in columns["label"] if type(value) is type(columns["label"][0])]
    columns["label"] += [columns["label"][0]] * (count - len(columns["label"]))
    order = draw(st.permutations(list(columns)))
    return pl.DataFrame({name: columns[name] for name in order})


def write(frame: pl.DataFrame, folder: Path) -> dict[str, Any]:
    """The table in every accepted form."""
    folder.mkdir(exist_ok=True)
    pandas = pd.DataFrame(frame.to_dict(as_series=False))
    text = frame.write_csv()
    lines = "".join(json.dumps(row, default=str) + "\n" for row in frame.to_dicts())
    (folder / "a.csv").write_text(text)
    (folder / "b.csv.gz").write_bytes(gzip.compress(text.encode()))
    (folder / "c.tsv").write_text(frame.write_csv(separator="\t"))
    (folder / "d.csv").write_bytes(b"\xef\xbb\xbf" + frame.write_csv(separator=";", quote_style="always").encode())
    pandas.to_csv(folder / "e.csv")
    (folder / "f.jsonl").write_text(lines)
    (folder / "g.json").write_text(json.dumps(frame.to_dicts(), default=str))
    frame.write_parquet(folder / "h.parquet")
    (folder / "i.TSV.GZ").write_bytes(gzip.compress((folder / "c.tsv").read_bytes()))
    (folder / "lines").mkdir(exist_ok=True)
    rows_of = lines.splitlines(keepends=True)
    for at, part in enumerate((rows_of[:1], rows_of[1:])):
        (folder / "lines" / f"{at}.jsonl.gz").write_bytes(gzip.compress("".join(part).encode()))
    (folder / "parts").mkdir(exist_ok=True)
    half = len(frame) // 2
    frame[:half].write_parquet(folder / "parts" / "1.parquet")
    frame[half:].select(frame.columns[::-1]).write_parquet(folder / "parts" / "2.parquet")
    return {"pandas": pandas, "polars": frame, **{path.name: path for path in sorted(folder.iterdir())}}


def upload(cloud: Cloud, forms: dict[str, Any]) -> dict[str, str]:
    """The forms that are files, below URLs, each beside a marker without data."""
    files = {name: sources.local_files(path, is_table=True) for name, path in forms.items() if isinstance(path, Path)}
    return {f"{name} at a URL": storage.upload(cloud, {**found, "_SUCCESS": b""}) for name, found in files.items()}


def numbers(content: Any) -> Any:
    """The numbers of a CSV as sent, whatever their spelling."""
    return np.array([[float(cell or "nan") for cell in line.split(",")] for line in content.decode().splitlines()])


def without_case(columns: Columns) -> Columns:
    """The columns without the spelling of true and false, which files keep."""
    return replace(columns, classes=columns.classes and tuple(str(label).lower() for label in columns.classes))


def prepare_all(
    frame: pl.DataFrame, folder: Path, prepare: Callable[..., Prepared], cloud: Cloud | None = None
) -> None:
    """Compare what is sent for all forms of a table, for training and validation, and for predictions."""
    local = write(frame, folder)
    forms = local | (upload(cloud, local) if cloud else {})
    algorithm = "linear-learner" if not any(frame.null_count().row(0)) else "xgboost"
    parameters = {
        "xgboost": {"objective": "multi:softprob"},
        "linear-learner": {"predictor_type": "multiclass_classifier"},
    }[algorithm]
    backwards = frame.select(frame.columns[::-1])
    try:
        expected = prepare({"train": frame, "validation": frame}, "label", algorithm=algorithm, parameters=parameters)
    except InvalidInputError as refused:
        column = str(refused).split("'")[1]
        for source in forms.values():
            with pytest.raises(InvalidInputError, match=re.escape(repr(column))):
                prepare(source, "label", algorithm=algorithm, parameters=parameters)
        return
    for form, source in forms.items():
        found = prepare({"train": source, "validation": backwards}, "label", algorithm=algorithm, parameters=parameters)
        reverse = prepare({"train": frame, "validation": source}, "label", algorithm=algorithm, parameters=parameters)
        for one in (found, reverse):
            assert without_case(one.columns) == without_case(expected.columns), form
            assert one.parameters == expected.parameters, form
            assert one.files.get("transform") == expected.files.get("transform"), form
            for channel in ("train", "validation"):
                here, there = (numbers(files[channel][f"{channel}.csv"]) for files in (one.files, expected.files))
                np.testing.assert_array_equal(here, there, form)
    requested = list(rows.to_requests(frame, ModelKind.BUILT_IN, expected.columns))
    for form, source in {**local, "backwards": backwards, "dict": backwards.to_dict(as_series=False)}.items():
        for (here, kind), (there, other) in zip(
            rows.to_requests(source, ModelKind.BUILT_IN, expected.columns), requested, strict=True
        ):
            assert kind == other
            if kind == "application/json":
                assert json.loads(here) == json.loads(there), form
            else:
                np.testing.assert_array_equal(numbers(here), numbers(there), form)


PROPERTY = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}


DAMAGE = (
    '"',
    ",",
    "\n",
    "\r\n",
    " ",
    ";",
    "%",
    "+",
    "e5",
    "_",
    "x",
    "'",
    '""',
    "NA",
    "nan",
    "inf",
    ".",
    "-.",
    ".e5",
    ".5",
    "1e-05",
    "\n\n",
    "\n,,\n",
    "#",
    "\t",
    "٣",
)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """CSV or TSV of numbers with something inserted somewhere below its header."""
    cells = st.sampled_from(["0", "1", "-2.5", "1e3", "", "007", ".5", "1e-05"])
    rows = draw(st.lists(st.tuples(st.sampled_from("01"), cells, cells), min_size=3, max_size=5))
    lines = "".join(",".join(row) + "\n" for row in [("0", "1", "2"), ("1", "3", "4"), *rows])
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(lines)))
        lines = lines[:place] + draw(st.sampled_from(DAMAGE)) + lines[place:]
    return f"y,a,b\n{lines}".replace(",", draw(st.sampled_from([",", "\t"])))


@settings(max_examples=60, **PROPERTY)
@given(text=damaged())
def test_damaged_rows_are_read_alike_for_training_and_predictions_or_refused_in_both(tmp_path, prepare, text):
    path = tmp_path / ("rows.csv" if text.startswith("y,") else "rows.tsv")
    path.write_bytes(text.encode())
    kinds = {"types": {"a": "number", "b": "number", "y": "number"}}
    known = Columns(("a", "b"), "y", ("number", "number"))
    try:
        trained = numbers(prepare(path, "y", reading=kinds).files["train"]["train.csv"])[:, 1:]
    except InvalidInputError as refused:
        if "column 'y'" not in str(refused):  # the label is not looked at for predictions
            with pytest.raises(InvalidInputError):
                list(rows.to_requests(path, ModelKind.BUILT_IN, known))
        return
    [(body, _)] = rows.to_requests(path, ModelKind.BUILT_IN, known)
    np.testing.assert_array_equal(numbers(body), trained)


@settings(max_examples=8, **PROPERTY)
@given(frame=frames())
def test_every_form_and_order_of_a_table_is_the_same_data(tmp_path, prepare, frame):
    prepare_all(frame, tmp_path / "forms", prepare)


@pytest.mark.slow
@settings(max_examples=150, **PROPERTY)
@given(frame=frames())
def test_every_form_and_order_of_many_tables_is_the_same_data(tmp_path, prepare, frame):
    prepare_all(frame, tmp_path / "forms", prepare)


@pytest.mark.slow
@settings(max_examples=8, **PROPERTY)
@given(frame=frames())
def test_every_form_of_a_table_at_a_url_is_the_same_data(tmp_path, at_home, frame):
    cloud = connect()
    prepare_all(frame, tmp_path / "forms", prepare_at(cloud), cloud)


@pytest.mark.slow
@settings(max_examples=4, **PROPERTY)
@given(frame=frames())
def test_random_tables_train_the_same_model_from_every_source(tmp_path, at_home, frame):
    local = write(frame, tmp_path / "forms")
    chosen = {name: local[name] for name in ("pandas", "d.csv", "i.TSV.GZ", "lines", "parts")}
    chosen |= upload(connect(), {"lines": local["lines"]})
    try:
        prepare_at(None)(frame, "label")
    except InvalidInputError:
        assume(False)
    models = []
    for at, source in enumerate(chosen.values()):
        job = lowcloud.train("xgboost", source, {"num_round": 2}, target="label", quiet=True)
        models.append({path.name: path.read_bytes() for path in job.download(tmp_path / str(at))})
    assert all(model == models[0] for model in models)
