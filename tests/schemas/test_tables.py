"""One rule for missing values, hidden files and pandas' index, whatever reads a table."""

import io
from pathlib import Path, PurePosixPath

import polars as pl
import pytest

from lowcloud.catalog.processing_programs import PROGRAMS
from lowcloud.runtime.formats import parquet
from lowcloud.runtime.formats.channel import ChannelReader
from lowcloud.runtime.processing import tables as raw_tables
from lowcloud.schemas.tables import MISSING_WORDS, index_columns, is_hidden
from lowcloud.sdk.data import files, sources
from lowcloud.sdk.data.reading import Reading
from tests.support.programs.processing_runs import run

HIDDEN = ("_SUCCESS", ".a.csv", "_temporary/0/a.csv", "a/.part.crc", ".b/c/a.csv")
DATA = ("a.csv", "a_b/c.d.csv", "y=1/part-00000")


def test_a_name_of_a_file_or_a_folder_that_begins_with_a_point_or_an_underscore_is_hidden():
    for path in HIDDEN:
        assert is_hidden(path)
        assert is_hidden(PurePosixPath(path))
    assert not any(map(is_hidden, DATA))


def test_all_readers_of_a_folder_skip_the_same_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("xgboost")
    monkeypatch.syspath_prepend(str(Path(parquet.__file__).parents[1] / "framework_modules"))
    from lowcloud_toolkit import dmatrix

    for name in (*HIDDEN, *DATA):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1,2\n" if name in DATA else "x")
    assert sorted(sources.local_files(tmp_path, is_table=True)) == sorted(DATA)
    assert [str(path.relative_to(tmp_path)) for path in raw_tables.files(tmp_path)] == sorted(DATA)
    assert len(ChannelReader("train", tmp_path, "text/csv").read()) == len(DATA)
    assert dmatrix.get_dmatrix(str(tmp_path), "csv").num_row() == len(DATA)


def test_missing_values_have_the_same_spellings_in_the_sdk_and_the_programs():
    assert Reading().missing == ("", *MISSING_WORDS)
    for name in ("preprocess", "evaluate"):
        assert PROGRAMS[name].schema.validate({})["missing_words"] == ",".join(MISSING_WORDS)


@pytest.mark.parametrize("word", ["-", "#N/A", "<NA>", "n/a", "?"])
def test_evaluate_and_preprocess_take_every_spelling_for_a_missing_value(tmp_path: Path, word: str):
    text = f"label,score\n1,0.2\n0,{word}\n1,0.9\n0,0.1\n"
    failed = run(tmp_path / "evaluate", "evaluate", {"input/d.csv": text}, "--bootstrap=0")
    assert "Column 'score', row 2 has no value (1 rows" in failed.failure
    lines = "".join(f"{word if row == 7 else row},{row % 2}\n" for row in range(20))
    left = run(tmp_path / "preprocess", "preprocess", {"input/d.csv": f"a,y\n{lines}"}, "--target=y", "--split=none")
    assert [one["kind"] for one in left.json("transform/transform.json")["columns"]] == ["number", "number"]
    assert left.json("report/report.json")["columns"][0].get("unreadable") is None


def test_a_label_that_is_spelled_like_a_missing_value_can_be_evaluated(tmp_path: Path):
    text = "label,predicted_label\n+,+\n-,-\n-,+\n+,+\n"
    assert "has no value" in run(tmp_path / "default", "evaluate", {"input/d.csv": text}, "--bootstrap=0").failure
    given = run(tmp_path / "given", "evaluate", {"input/d.csv": text}, "--bootstrap=0", "--missing-words=NA")
    assert given.code == 0, given.failure


@pytest.mark.parametrize(
    ("names", "metadata", "expected"),
    [
        (["a", "__index_level_0__"], None, ["__index_level_0__"]),
        (["a", "__index_level_x"], "{}", []),
        (["a", "id"], '{"index_columns": ["id", {"kind": "range"}]}', ["id"]),
        (["a"], '{"index_columns": "a"}', []),
        (["a"], "[]", []),
        (["a"], "no JSON", []),
    ],
)
def test_the_index_of_pandas_is_found_by_its_name_or_metadata(names, metadata, expected):
    assert index_columns(names, metadata) == expected
    stored = io.BytesIO()
    pl.DataFrame({name: [1] for name in names}).write_parquet(stored, metadata={"pandas": metadata or "{}"})
    assert parquet.index_columns(io.BytesIO(stored.getvalue()), names) == expected
    assert list(files.read({"a.parquet": stored.getvalue()}, "a", Reading()).index) == expected


def test_the_format_of_a_compressed_file_is_that_of_its_name_in_any_case():
    for name in ("a.csv.gz", "A.CSV.GZ", "a.csv.Gz", "a.csv"):
        assert (files.format_of(name), files.suffix_of(name)) == ("csv", ".csv")
    assert files.suffix_of("a.libsvm.GZ") == ".libsvm"
