"""Files of every accepted format become the same table, by one set of rules, or are refused with their line."""

import csv
import gzip
import io
import json
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from lowcloud.sdk import InvalidInputError
from lowcloud.sdk.data import files
from lowcloud.sdk.data.channels import ModelKind
from lowcloud.sdk.data.columns import Columns
from lowcloud.sdk.data.reading import Reading
from lowcloud.sdk.data.rows import to_requests
from tests.sdk.data.conftest import sent

ROWS = "1,2.5,3\n0,,4\n"  # y, x, z
NAMED = "x,y,z\n2.5,1,3\n,0,4\n"
FRAME = pd.DataFrame({"x": [2.5, None], "y": [1, 0], "z": [3, 4]})


def parquet(frame: pd.DataFrame, index: object = ()) -> bytes:
    """A Parquet file with the metadata that pandas writes about its index."""
    target = io.BytesIO()
    written = {"pandas": json.dumps({"index_columns": index})}
    pl.DataFrame(frame.to_dict("list")).fill_nan(None).write_parquet(target, metadata=written)
    return target.getvalue()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", NAMED),
        ("a.csv", NAMED.replace("\n", "\r\n")),
        ("a.csv", NAMED.replace("\n", "\r")),
        ("a.csv", "\ufeff" + NAMED),
        ("a.csv", NAMED + "\n  \n"),
        ("a.csv", "\n" + NAMED.replace("1,3\n", "1,3\n\n")),
        ("a.csv", NAMED.rstrip("\n")),
        ("a.csv", '"x","y","z"\n"2.5","1","3"\n"","0","4"\n\n'),
        ("a.csv", NAMED.replace(",", ";")),
        ("a.csv", NAMED.replace(",", "|")),
        ("a.csv", NAMED.replace(",", ";").replace(".", ",")),
        ("a.csv", 'x,y,z\n"2,5",1,3\n,0,4\n'),
        ("a.csv", "# made by hand\n# in 2024\n" + NAMED),
        ("a.csv", f",{NAMED}".replace("\n2.5", "\n0,2.5").replace("\n,", "\n1,,")),
        ("a.csv", f"Unnamed: 0,{NAMED}".replace("\n2.5", "\n7,2.5").replace("\n,", "\n3,,")),
        ("a.tsv", NAMED.replace(",", "\t")),
        ("a.csv", gzip.compress(NAMED.encode(), mtime=0)),
        ("a.csv.gz", gzip.compress(NAMED.encode(), mtime=0)),
        ("a.tsv.gz", gzip.compress(NAMED.replace(",", "\t").encode(), mtime=0)),
        ("a.json", FRAME.to_json(orient="records")),
        ("a.json", FRAME.to_json(orient="records", lines=True)),
        ("a.jsonl.gz", gzip.compress(FRAME.to_json(orient="records", lines=True).encode(), mtime=0)),
        ("a.ndjson", '{"x": 2.5, "y": 1, "z": 3}\n\n{"z": 4, "y": 0, "x": null}\n'),
        ("a.parquet", parquet(FRAME)),
        ("a.parquet", parquet(FRAME.assign(__index_level_0__=[5, 3]))),
        ("a.parquet", parquet(FRAME.assign(name=["a", "b"]), index=["name"])),
        ("a.pq", parquet(FRAME, index=[{"kind": "range", "start": 0, "stop": 2}])),
    ],
)
def test_the_target_is_honoured_in_every_format(table, name, text):
    assert table(text, name) == ROWS


@pytest.mark.parametrize("word", ["NA", "N/A", "", "?", "null", "NaN", "nan", "-", "None", " NA "])
def test_the_usual_spellings_of_a_missing_value_are_missing(table, word):
    assert table(f"x,y\n1.5,1\n{word},0\n") == "1,1.5\n0,\n"
    assert table(f"0,1.5\n1,{word}\n", target=None) == "0,1.5\n1,\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x,y,y\n1,2,3\n", "a.csv has several columns named 'y'"),
        ("x,y,x\n1,2,3\n", "a.csv has several columns named 'x'"),
        ("x,,y\n1,2,3\n", "a.csv: column 2 of the header has no name"),
        (",x,y\n0.5,1,2\n0.5,1,2\n", "The first column of a.csv has no name, and is no index"),
        ("x,y\n1,2\n3\n", "a.csv, line 3 has 1 cells, line 1 has 2"),
        ("x,y\n1,2\n\n3,4,5\n", "a.csv, line 4 has 3 cells, line 1 has 2"),
        ('x,y\n"1,2",2\n"3\n4",5,6\n', "a.csv, line 3 has 3 cells, line 1 has 2"),
        ('x,y\n"1,2\n', "a.csv, line 2: its quotes do not pair"),
        ('x,y\n"1"2,3\n', "a.csv, line 2: its quotes do not pair"),
        ("x,y\n1,2\nabc,4\n", "a.csv, line 3, column 'x': 'abc' is not a number.*types.*'text'"),
        ('x,y\n1.5,2\n"1""5",4\n', "a.csv, line 3, column 'x': '1\"5' is not a number"),
        ("x,y\n1,2\n\n2%,4\n", "a.csv, line 4, column 'x': '2%' is not a number"),
        ("x,y\n1_000,2\n2_000,4\n", "a.csv, line 2, column 'x': '1_000' is not a number"),
        (
            "x,y\n01/02/2024,2\n,4\n",
            "line 2, column 'x': '01/02/2024' looks like a date or a time. Write dates as 2024",
        ),
        ("x,y\n0x1F,2\n", "line 2, column 'x': '0x1F' is not a number"),
        (b"PK\x03\x04", "a.csv is a spreadsheet or an archive"),
        ("x,y\n1,2\ninf,4\n", "a.csv, line 3, column 'x': 'inf' is not a number"),
        ("x;y\n1,234;2\n4,567;3\n", "line 2, column 'x': '1,234' can be 1.234 or 1234. reading={'decimal': ','}"),
        ("x;y\n1,5;2.5\n", "line 2, column 'y': '2.5' has a point, but other numbers of the table have decimal commas"),
        ("x;y\n1,5;2\n2.5;1\n", "line 2, column 'x': '1,5' has a comma, other cells have a point"),
        ("1,5;2,5\n2,5;3,5\n", "can be separated by ',' or ';'.*reading={'delimiter': ';'}"),
        ("#x,z\n1,2\n", "line 1 begins with # and can be a comment or the header"),
        ("x,y\n1,2\n# total: 1\n", "line 3 has 1 cells, line 1 has 2.*reading={'comment': '#'} skips it"),
        ("5.1,3.5,setosa\n4.9,3,setosa\n", "the first line has texts and numbers.*reading={'header': True}"),
        (".,1\n2,0\n", "the first line has texts and numbers.*reading={'header': True}"),
        ("$5,1\n6,0\n", "the first line has texts and numbers"),
        (".\n2\n", "the first line has texts and numbers"),
        ("0,1,2,3\n4,5,6,7\n", "the first line counts 0, 1, 2"),
        ("red,no\nblue,no\nred,yes\n", "the texts of the first line .'red, no'. occur again below it"),
        ("x,y\n1e-3,2\n1e-3x,4\n", "a.csv, line 3, column 'x': '1e-3x' is not a number"),
        ("x,y\n", "There are no rows in a.csv"),
        ("", "There are no rows in a.csv"),
        (b"x,y\n1,2\n\xff,3\n", "a.csv, line 3 is not valid UTF-8"),
        ("x,y\n1,2\n".encode("utf-16"), "a.csv is UTF-16"),
    ],
)
def test_what_cannot_be_read_without_doubt_is_refused_with_its_place(table, text, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        table(text)


@pytest.mark.parametrize(
    ("text", "reading", "expected"),
    [
        ("x;y\n1,234;2\n4,567;3\n", {"decimal": ","}, "2,1.234\n3,4.567\n"),
        ("1,5;2,5\n2,5;3,5\n", {"delimiter": ";"}, "1.5,2.5\n2.5,3.5\n"),
        ("x,y\n1,2\n# total: 1\n", {"comment": "#"}, "2,1\n"),
        ("#x,y\n1,2\n", {"comment": ""}, "2,1\n"),
        (",x,y\n0,1,2\n1,3,4\n", {"index": "keep"}, "2,0,1\n4,1,3\n"),
        (",x,y\n0.5,1,2\n0.5,1,2\n", {"index": "drop"}, "2,1\n2,1\n"),
        ("0,1,2,3\n4,5,6,7\n", {"header": False}, "0,1,2,3\n4,5,6,7\n"),
        ("0,1,2,3\n4,5,6,7\n", {"header": True}, "4,5,6,7\n"),
        ("x,y\n1,2\n.,4\n", {"missing": ["."]}, "2,1\n4,\n"),
    ],
)
def test_an_option_reads_what_is_in_doubt(table, text, reading, expected):
    target = "y" if "y" in text else 0
    assert table(text, target=target, reading=reading) == expected


def test_what_was_seen_is_said_in_one_line(prepare, tmp_path):
    (tmp_path / "a.csv").write_text("# by hand\n;x;y\n0;1,5;2\n1;2;3\n")
    assert prepare(tmp_path / "a.csv", "y").notes == (
        "a.csv: 1 comment line at the beginning skipped",
        "a.csv: columns are separated by semicolons",
        "a.csv: 'Unnamed: 0' is the index of a pandas table and was left out (reading={'index': 'keep'} keeps it)",
        "a.csv: decimal commas read in 'x'",
    )
    assert prepare(FRAME, "y", parameters={"objective": "reg:squarederror"}).notes == ()


def test_values_that_only_the_names_of_folders_have_are_mentioned(prepare, tmp_path):
    for year in (2023, 2024):
        (tmp_path / "parts" / f"year={year}").mkdir(parents=True)
        (tmp_path / "parts" / f"year={year}" / "a.csv").write_text("x,y\n1,2\n")
    assert prepare(tmp_path / "parts", "y").notes == (
        "parts: the folders' names have values of 'year', which are not read",
    )


def test_codes_with_leading_zeros_are_texts(prepare):
    frame = pl.DataFrame({"code": ["007", "7", "1"], "x": ["00.5", "0", "-01"], "y": [1, 0, 1]})
    prepared = prepare(frame, "y")
    assert sent(prepared).splitlines()[:2] == ["1,1,0,0,0.5", "0,0,0,1,0.0"]
    [note] = [note for note in prepared.notes if "leading zeros" in note]
    assert "'code' was read as texts, because of leading zeros (007); reading={'types': {'code': 'number'}}" in note
    numbers = prepare(frame, "y", reading={"types": {"code": "number"}})
    assert sent(numbers).splitlines()[:2] == ["1,7,0.5", "0,7,0.0"]
    many = pl.DataFrame({"code": [f"{row:04}" for row in range(300)], "y": [0, 1] * 150})
    with pytest.raises(InvalidInputError, match=r"or read numbers with reading=\{'types': \{'code': 'number'\}\}"):
        prepare(many, "y")


def test_numbers_that_name_columns_of_a_data_frame_are_names(prepare):
    train = pd.DataFrame({1: [1, 0], 2: [5, 6], 3: [7, 8]})
    prepared = prepare(train, 1, validation=train[[3, 1, 2]])
    assert sent(prepared) == sent(prepared, "validation") == "1,5,7\n0,6,8\n"
    assert prepared.columns.target == 1
    assert prepared.columns.features == (2, 3)
    assert sent(prepare(train, -1)) == "7,1,5\n8,0,6\n"


def test_a_folder_of_files_with_different_orders_of_columns_is_one_table(prepare, tmp_path):
    folder = tmp_path / "parts"
    (folder / "_temporary").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    for hidden in ("_SUCCESS", "_metadata", ".a.csv.crc", "_temporary/b.csv", ".hidden/c.csv"):
        (folder / hidden).write_text("rubbish")
    (folder / "a.parquet").write_bytes(parquet(FRAME[:1]))
    (folder / "b.parquet").write_bytes(parquet(FRAME[1:][["z", "x", "y"]]))
    (folder / "c.csv").write_text("z,y,x\n6,1,5\n")
    FRAME[:1].to_json(folder / "d.json", orient="records", lines=True)
    assert sent(prepare(folder, "y")) == ROWS + "1,5.0,6\n1,2.5,3\n"
    (folder / "e.parquet").write_bytes(parquet(FRAME[:1].rename(columns={"z": "other"})))
    with pytest.raises(InvalidInputError, match=r"e.parquet lacks 'z', compared with a.parquet"):
        prepare(folder, "y")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"x": 1, "y": 2}\n{"x": 1}\n', r"a.json, line 2 has other columns than the first row \('y'\)"),
        ('{"x": 1, "y": 2}\n{"x": 1, "y": 2, "y": 3}\n', "a.json, line 2 has several columns named 'y'"),
        ('{"x": 1, "y": 2}\n[1, 2]\n', "line 2: each row must be an object"),
        ('{"x": 1, "y": 2}\n{"x": [1], "y": 2}\n', "line 2, column 'x' is a list or an object"),
        ('{"x": true, "y": 2}\n{"x": 5, "y": 2}\n', "line 2, column 'x': the column mixes numbers and booleans"),
        ('{"x": 1, "y": 2', "a.json, line 1 is not valid JSON"),
        ("[]", "There are no rows in a.json"),
        ('[{"x": 1, "y": 2}, {"x": "a", "y": 3}, {"x": 3, "y": 3}]', "a.json, row 2, column 'x': 'a' is not a number"),
    ],
)
def test_unusable_json_is_refused_with_its_line(table, text, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        table(text, "a.json")


def test_damaged_files_are_refused_by_name(table):
    with pytest.raises(InvalidInputError, match=r"a.csv.gz is a damaged gzip file"):
        table(gzip.compress(NAMED.encode(), mtime=0)[:-6], "a.csv.gz")
    with pytest.raises(InvalidInputError, match=r"a.parquet is not a valid Parquet file"):
        table(b"PAR1 and so on", "a.parquet")


def test_large_integers_and_numbers_keep_their_values(table):
    numbers = ["9007199254740993", "0.1", "1e-300", "-0.30000000000000004", "12345678901234567890123"]
    columns = ",".join(f"c{at}" for at in range(len(numbers)))
    cells = table(f"y,{columns}\n1,{','.join(numbers)}\n").strip().split(",")[1:]
    assert cells[0] == numbers[0]
    assert [float(cell) for cell in cells] == [float(number) for number in numbers]
    text = json.dumps([{"y": 1, "a": 2**70}, {"y": 1, "a": None}])
    assert float(table(text, "a.json").split("\n")[0].split(",")[1]) == 2.0**70


def test_a_polars_categorical_and_a_decimal_are_read(prepare):
    frame = pl.DataFrame({"y": [1, 0], "x": ["1", "2"], "c": ["a", "b"]}).with_columns(
        pl.col("x").cast(pl.Decimal(10, 2)), pl.col("c").cast(pl.Categorical)
    )
    assert sent(prepare(frame, "y")) == "1,1.00,1,0\n0,2.00,0,1\n"


def test_a_file_of_another_name_is_read_as_text_unless_it_is_libsvm(prepare, tmp_path):
    (tmp_path / "iris.data").write_text(NAMED)
    (tmp_path / "train.txt").write_text("1 0:2.5 3:1\n")
    assert sent(prepare(tmp_path / "iris.data", "y")) == ROWS
    prepared = prepare(tmp_path / "train.txt")
    assert prepared.files["train"] == {"train.txt": tmp_path / "train.txt"}
    assert prepared.channels[0].content_type == "text/libsvm"


def test_columns_without_names_are_encoded_by_number(prepare, tmp_path):
    (tmp_path / "a.csv").write_text("no,1,Oslo\nyes,2,Rome\n")
    prepared = prepare(tmp_path / "a.csv", 0, reading={"header": False})
    assert sent(prepared) == "0,1,1,0\n1,2,0,1\n"
    assert prepared.columns.features == (1, 2)
    transform = json.loads(prepared.files["transform"]["transform.json"])
    assert [column["name"] for column in transform["columns"]] == ["column_0", "column_1", "column_2"]


def cells_of(path: Path, text: str) -> list[tuple[str | None, ...]]:
    path.write_text(text)
    return files.read({path.name: path}, path.name, Reading()).frame.rows()


@pytest.mark.parametrize("mark", ["\t", ",", ";"])
@pytest.mark.parametrize("quoted", ["5", '"5"', '"5\n"'])
def test_a_line_of_delimiters_is_a_row_of_empty_cells(tmp_path, mark, quoted):
    text = f"x,y\n{quoted},6\n,\n\n \n1,2\n".replace(",", mark)
    rows = cells_of(tmp_path / ("a.tsv" if mark == "\t" else "a.csv"), text)
    assert [tuple((cell or "").strip() for cell in row) for row in rows] == [("5", "6"), ("", ""), ("1", "2")]


def test_predictions_of_a_tsv_keep_their_rows(tmp_path):
    (tmp_path / "a.tsv").write_text("a\tb\n1\t2\n\t\n3\t4\n")
    [(body, _)] = to_requests(tmp_path / "a.tsv", ModelKind.BUILT_IN, Columns(("a", "b"), "y"))
    assert body == b"1,2\n,\n3,4\n"


@pytest.mark.parametrize("quoted", ['"1"', '"1\n"'])
def test_a_quoted_empty_cell_is_a_row(tmp_path, quoted):
    rows = cells_of(tmp_path / "a.csv", f'a\n{quoted}\n""\n2\n')
    assert [cell.strip() for (cell,) in rows] == ["1", "", "2"]


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_long_quoted_cell_is_read_and_the_limit_of_csv_stays(table, end):
    limit = csv.field_size_limit()
    text = "a" * 200_000 + end
    assert table(f'x,y\n"{text}b",1\n"c",0\n') == "1,1,0\n0,0,1\n"
    assert csv.field_size_limit() == limit
    with pytest.raises(InvalidInputError, match="line 2: its quotes do not pair"):
        table(f'x,y\n"{text},1\n')
    with pytest.raises(InvalidInputError, match="line 2 has a cell of more than 16,777,216 characters, or a quote"):
        table('x,y\n"' + "a" * (16 << 20) + f'{end}a",1\n')
    assert csv.field_size_limit() == limit
