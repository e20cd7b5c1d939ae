"""Preprocessing and serving compute bitwise identical features of a row."""

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lowcloud.runtime.feature_transforms import (
    FILE,
    SourceColumn,
    Transform,
    UnreadableTransformError,
    load,
    save,
    times,
)
from lowcloud.runtime.feature_transforms.cells import ReadingRules
from lowcloud.runtime.feature_transforms.features import Hashed, OneHot, Scaled
from lowcloud.runtime.processing.preprocess import columns
from tests.support.programs.processing_runs import Run, run

NUMBERS = st.one_of(
    st.floats(-1e9, 1e9, allow_nan=False).map(repr),
    st.integers(-1000, 1000).map(str),
    st.sampled_from(["", "NA", " 3 ", "+5", "5.", ".5", "1e400", "1_000", "inf", "-0", "?", "12 ", "1E3"]),
)
TEXTS = st.one_of(st.sampled_from(["red", "green", " green", "", "NA", 'a,b "c"']), st.text("abé ", max_size=3))
TIMES = st.one_of(
    st.datetimes().map(lambda moment: moment.isoformat(sep=" ")),
    st.sampled_from(["2024-02-29", "1899-12-31T23:59:59.999999", ""]),
)
TABLES = st.lists(st.tuples(NUMBERS, NUMBERS, TEXTS, TEXTS, TIMES), min_size=12, max_size=40)
DERIVED = (
    "ratio = a / b; lg = log(abs(a) + 1); power = abs(a) ** 0.3; bins = quantile_bin(b, 4); red = t == 'red'; "
    "gone = missing(u); size = length(t); worst = max(a, b) - min(a, -b); when_if = if(a > b, year(w), 0); "
    "wave = sin(yearday(w)) * round(b / 7)"
)
TYPES = "--types=a=number,b=number,t=text,u=text,w=time"
CHOICES: list[list[str]] = [
    ["--missing-indicators=true", "--clip=iqr", "--encode=one_hot", "--rare-share=0.1"],
    ["--normalise=min_max", "--impute=mean", "--encode=ordinal", "--impute-text=most_frequent", "--trim=false"],
    ["--normalise=robust", "--impute=none", "--encode=hash", "--clip=quantile", "--impute-text=constant"],
    ["--normalise=none", "--impute=most_frequent", "--encode=target", "--format=parquet", "--date-parts=days,minute"],
]
ALL = "--drop-constant=false"


def written(table: list[tuple[str, ...]], labels: list[str]) -> str:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["id", "a", "b", "t", "u", "w", "y"])
    writer.writerows([i, *row, labels[i]] for i, row in enumerate(table))
    return file.getvalue()


def processed(left: Run, part: str) -> list[list[float | None]]:
    if (left.output / part / f"{part}.csv").exists():
        return [[float(cell) if cell else None for cell in row] for row in left.rows(part)]
    return [list(row) for row in pl.read_parquet(left.output / part).rows()]


@pytest.mark.parametrize("choice", CHOICES)
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(table=TABLES, data=st.data())
def test_a_served_row_equals_the_written_row(
    choice: list[str], table: list[tuple[str, ...]], data: st.DataObject
) -> None:
    """The label is the row's number, so that each written row can be traced to its raw one."""
    labels = [str(i + 0.5) for i in range(len(table))]
    with TemporaryDirectory() as folder:
        arguments = ["--target=y", "--drop=id", f"--derive={DERIVED}", TYPES, ALL, *choice, "--test-fraction=0.4"]
        left = run(Path(folder), "preprocess", {"input/d.csv": written(table, labels)}, *arguments)
        assert left.code == 0, left.failure
        transform = load(left.output / "transform" / FILE)
        has_own_train = "--encode=target" in choice
        used = ["abtuw".index(source.name) for source in transform.used]
        for part in ("train", "validation", "test"):
            if part == "train" and has_own_train:
                continue  # its rows were encoded without their own labels
            rows = processed(left, part)
            raw = [[table[int(row[0] or 0)][place] for place in used] for row in rows]
            made = np.array([transform.row(cells) for cells in raw])
            expected = np.array([[np.nan if cell is None else cell for cell in row[1:]] for row in rows], float)
            np.testing.assert_array_equal(made, expected)
            np.testing.assert_array_equal(transform.rows(raw), expected)


@given(texts=st.lists(st.text("0123456789+-.eE_ infaNx\t\x1c٣", max_size=8), min_size=1, max_size=30))
def test_a_column_of_texts_has_the_numbers_that_a_row_would_have(texts: list[str]) -> None:
    rules = ReadingRules(frozenset({"nan", "-1"}))
    column = columns.read(pl.Series("x", texts, dtype=pl.String), rules, "number", 1.0)
    read = rules.reader("number")
    np.testing.assert_array_equal(column.values, [read(text) for text in texts])  # type: ignore[arg-type]


def test_parquet_gives_the_same_result_as_its_values_in_json(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "whole": [1, None, 3, 4] * 5,
            "part": [0.25, float("nan"), 1e300, -2.5] * 5,
            "day": [date(2024, 2, 29), None, date(1970, 1, 1), date(2001, 5, 6)] * 5,
            "moment": [datetime(2024, 1, 1, 5, 6, 7, 123457, tzinfo=UTC), None] * 10,
            "flag": [True, False, None, True] * 5,
            "word": ["a", None, "b", "a"] * 5,
            "code": [7, 8, 7, None] * 5,
            "y": list(range(20)),
        }
    )
    file = io.BytesIO()
    frame.write_parquet(file)
    arguments = ["--target=y", "--task=regression", "--types=code=text", "--drop-constant=false", "--split=none"]
    parts = "--date-parts=year,month,day,days,minute"
    left = run(tmp_path, "preprocess", {"input/d.parquet": file.getvalue()}, *arguments, parts, "--encode=one_hot")
    assert left.code == 0, left.failure
    transform = load(left.output / "transform" / FILE)
    raw = {int(row["y"]): row for row in frame.iter_rows(named=True)}
    for row in left.rows("train"):
        cells = [plain(raw[int(row[0])][source.name]) for source in transform.used]
        assert transform.row(cells) == [float(cell) for cell in row[1:]]


def plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


@pytest.mark.parametrize("year", [1, 1600, 1700, 1900, 1970, 2000, 2023, 2024, 2100, 9999])
def test_parts_of_times_are_those_of_the_calendar(year: int) -> None:
    first = datetime(year, 1, 1, 13, 45, tzinfo=UTC)
    length = (datetime(year, 12, 31, tzinfo=UTC) - first.replace(hour=0)).days + 1
    moments = [first + timedelta(days=day) for day in range(length)]
    seconds = np.array([times.parser(None)(moment.isoformat()) for moment in moments])
    for part, of in {
        "year": lambda m: m.year,
        "month": lambda m: m.month,
        "day": lambda m: m.day,
        "weekday": lambda m: m.weekday(),
        "yearday": lambda m: m.timetuple().tm_yday,
        "hour": lambda m: m.hour,
        "minute": lambda m: m.minute,
    }.items():
        expected = [of(moment) for moment in moments]
        np.testing.assert_array_equal(times.PARTS[part](seconds), expected)
        assert [times.PARTS[part](one) for one in seconds.tolist()] == expected


def test_a_transform_is_loaded_as_it_was_saved(tmp_path: Path) -> None:
    transform = wide()
    save(transform, tmp_path / FILE)
    assert load(tmp_path / FILE) == transform


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document.update(version=2),
        lambda document: document.update(format="other"),
        lambda document: document.pop("features"),
        lambda document: document["features"][0].update(kind="eval"),
        lambda document: document["features"][0].update(column="nowhere"),
        lambda document: document["features"][0].update(scale="1"),
        lambda document: document["derived"].append({"name": "x", "expression": "__import__('os')"}),
        lambda document: document["outputs"].pop(),
        lambda document: document["columns"][0].update(kind="picture"),
    ],
)
def test_a_file_that_is_not_a_transform_is_refused(tmp_path: Path, spoil: Any) -> None:
    save(wide(), tmp_path / FILE)
    document = json.loads((tmp_path / FILE).read_text())
    spoil(document)
    (tmp_path / FILE).write_text(json.dumps(document))
    with pytest.raises(UnreadableTransformError):
        load(tmp_path / FILE)


def wide() -> Transform:
    sources = [SourceColumn(f"n{i}", "number") for i in range(14)] + [SourceColumn(f"t{i}", "text") for i in range(5)]
    made = [Scaled(f"n{i}", -3.0, 3.0, 1.5, True, 0.1, 2.7) for i in range(14)]
    texts = [OneHot(f"t{i}", ("a", "b", None), other=True) for i in range(4)]
    derived = (("d", "(log(`n1`) / `n2`)"),)
    return Transform(tuple(sources), (*made, *texts, Hashed("t4", 16), Scaled("d", fill=0.0)), derived)
