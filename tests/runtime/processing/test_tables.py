"""Raw tables of processing programs: the same rows in every spelling, and which columns are an index."""

import io
import json
from pathlib import Path

import polars as pl
import pytest

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.processing import csv_tables
from lowcloud.runtime.processing.program import Arguments
from tests.support.programs.processing_runs import run

ROWS = [(i, round(i / 7, 3), i % 2) for i in range(40)]
REGULAR = "a,b,y\n" + "".join(f"{a},{b},{y}\n" for a, b, y in ROWS)
SPELLINGS = {
    "blank lines": REGULAR.replace("\n", "\n\n", 9),
    "blank lines at the end": REGULAR + "\n  \n\r\n",
    "quotation marks": "".join(",".join(f'"{cell}"' for cell in line.split(",")) + "\r\n" for line in REGULAR.split()),
    "byte order mark": "\ufeff" + REGULAR,
    "pandas' index": ",a,b,y\n" + "".join(f"{i + 5},{a},{b},{y}\n" for i, (a, b, y) in enumerate(ROWS)),
    "comments": (REGULAR.replace("\n", "\n# why, how\n", 5), "--comment=#"),
    "semicolons": (REGULAR.replace(",", ";").replace(".", ","), "--delimiter=;", "--decimal=,"),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_table_is_the_same_in_every_spelling(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    text, *arguments = (SPELLINGS[name],) if isinstance(SPELLINGS[name], str) else SPELLINGS[name]
    judge = run(tmp_path / "judge", "preprocess", {"input/d.csv": REGULAR}, "--target=y")
    left = run(tmp_path / "left", "preprocess", {"input/d.csv": text}, "--target=y", *arguments)
    assert left.code == 0, left.failure
    for part in ("train", "validation", "test"):
        assert left.rows(part) == judge.rows(part)
    assert ("first column, without a name, is an index" in capsys.readouterr().out) == (name == "pandas' index")


def test_files_are_matched_by_names_and_numbers_keep_their_fractions(tmp_path: Path) -> None:
    frame = pl.DataFrame(ROWS, schema=["a", "b", "y"], orient="row")
    second = frame[1:].select("y", "b", "a")

    def files(*parts: pl.DataFrame) -> dict[str, bytes]:
        found = {}
        for i, part in enumerate(parts):
            file = io.BytesIO()
            part.with_columns(pl.Series("__index_level_0__", range(len(part)))).write_parquet(file)
            found[f"input/{i}.parquet"] = file.getvalue()
        return found

    whole, parts = files(frame), files(frame[:1].with_columns(pl.col("b").cast(int)), second)
    judge = run(tmp_path / "judge", "preprocess", whole, "--target=y")
    left = run(tmp_path / "left", "preprocess", {**parts, "input/_SUCCESS": b"x"}, "--target=y")
    assert left.code == judge.code == 0, left.failure
    assert left.rows("train") == judge.rows("train")
    assert left.json("transform/transform.json")["columns"] == judge.json("transform/transform.json")["columns"]
    assert [column["name"] for column in left.json("transform/transform.json")["columns"]] == ["a", "b", "y"]


@pytest.mark.parametrize(
    ("arguments", "is_kept"),
    [
        ((), False),
        (("--impute-word=row id",), False),
        (("--missing-words=row id,NA",), False),
        (("--types=row id=number",), True),
        (("--encode-columns=row id=hash",), True),
        (("--derive=c = `row id` + b",), True),
        (("--split=time", "--split-column=row id"), True),
    ],
)
def test_a_named_index_is_left_out_unless_an_argument_names_it(
    tmp_path: Path, arguments: tuple[str, ...], is_kept: bool
) -> None:
    file = io.BytesIO()
    pl.DataFrame(ROWS, schema=["row id", "b", "y"], orient="row").write_parquet(
        file, metadata={"pandas": json.dumps({"index_columns": ["row id"]})}
    )
    left = run(tmp_path, "preprocess", {"input/d": file.getvalue()}, "--target=y", *arguments)
    assert left.code == 0, left.failure
    names = [column["name"] for column in left.json("transform/transform.json")["columns"]]
    assert names == ["row id", "b", "y"][not is_kept :]


@pytest.mark.parametrize("rows", [1, 7, 40, 41])
def test_a_file_with_blank_lines_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(csv_tables, "CHUNK_ROWS", rows)
    (tmp_path / "d.csv").write_text(REGULAR.replace("\n", "\n\n", 9) + '"4\n",,1\n')
    found = csv_tables.read(tmp_path / "d.csv", "d.csv", Arguments({"delimiter": ",", "header": "auto"}), False)
    assert found.rows() == [*(tuple(map(str, row)) for row in ROWS), ("4\n", None, "1")]
    (tmp_path / "d.csv").write_text(REGULAR + "\n1,2\n")
    with pytest.raises(ClientError, match=r"d\.csv, line 43 has 2 cells; 3 were expected"):
        csv_tables.read(tmp_path / "d.csv", "d.csv", Arguments({"delimiter": ",", "header": "auto"}), False)
    (tmp_path / "d.csv").write_text("a,b,y\n\n")
    header = csv_tables.read(tmp_path / "d.csv", "d.csv", Arguments({"delimiter": ",", "header": "auto"}), False)
    assert (header.columns, header.rows()) == (["a", "b", "y"], [])
