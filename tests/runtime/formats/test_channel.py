"""Reading training channels: all formats give the same table, and errors name the place and what to do."""

import gzip
import io
import os
import threading
from pathlib import Path

import numpy as np
import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.formats import csv, framing, recordio
from lowcloud.runtime.formats.channel import ChannelReader, check_finite
from lowcloud.runtime.formats.table import DenseTable
from tests.support.data.tables import encode_table

X = np.random.default_rng(0).standard_normal((500, 7)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.float64)


def channel(folder: Path, content_type: str | None = None, **files: bytes | str) -> ChannelReader:
    place = folder / "train"
    place.mkdir(exist_ok=True)
    for name, content in files.items():
        (place / name.replace("_", ".")).write_bytes(content.encode() if isinstance(content, str) else content)
    return ChannelReader("train", place, content_type)


def as_csv(x: np.ndarray, y: np.ndarray) -> bytes:
    rows = ([repr(float(label)), *(str(value) for value in row)] for row, label in zip(x, y, strict=True))
    return "".join(",".join(row) + "\n" for row in rows).encode()


def as_recordio(x: np.ndarray, y: np.ndarray) -> bytes:
    return encode_table(x, y.astype(np.float32))


def as_parquet(x: np.ndarray, y: np.ndarray, path: Path) -> bytes:
    polars.DataFrame({"label": y} | {f"f{i}": x[:, i] for i in range(x.shape[1])}).write_parquet(path)
    return path.read_bytes()


def same(table: DenseTable, x: np.ndarray = X, y: np.ndarray = Y) -> bool:
    return bool((table.features == x).all() and (table.labels == y).all() and table.features.dtype == np.float32)


def fault(reader: ChannelReader, feature_dim: int | None = None) -> str:
    with pytest.raises(ClientError) as caught:
        check_finite(reader.read(feature_dim), reader)
    return str(caught.value)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("form", ["csv", "recordio", "parquet"])
def test_every_format_is_found_by_its_content(tmp_path: Path, form: str, packed: bool) -> None:
    content = {
        "csv": as_csv(X, Y),
        "recordio": as_recordio(X, Y),
        "parquet": as_parquet(X, Y, tmp_path / "any"),
    }[form]
    assert same(channel(tmp_path, a=gzip.compress(content) if packed else content).read())


@pytest.mark.parametrize("kind", ["text/csv", "text/csv;label_size=1", "text/csv; charset=utf-8", "TEXT/CSV"])
def test_a_declared_content_type_is_taken(tmp_path: Path, kind: str) -> None:
    assert same(channel(tmp_path, kind, a=as_csv(X, Y)).read(7))


def test_files_are_read_in_order_of_their_names_from_folders_too(tmp_path: Path) -> None:
    reader = channel(tmp_path, b=as_csv(X[300:], Y[300:]), empty=b"", **{"a": as_csv(X[:100], Y[:100])})
    (reader.folder / "a2").mkdir()
    (reader.folder / "a2" / "part").write_bytes(as_recordio(X[100:300], Y[100:300]))
    assert same(reader.read())


def test_large_and_small_files_are_read_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv, "CHUNK_BYTES", 3000)
    content = as_csv(X, Y)
    assert same(channel(tmp_path, a=content).read())
    assert same(channel(tmp_path, a=gzip.compress(content)).read())
    assert same(channel(tmp_path, a=content.rstrip(b"\n")).read())
    assert same(channel(tmp_path, a=content.replace(b"\n", b"\r\n")).read())
    assert same(channel(tmp_path, a=content.replace(b"\n", b"\n\n", 3)).read())


@settings(deadline=None, max_examples=60)
@given(arrays(np.float32, (9, 3), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_any_finite_numbers_survive_csv_and_recordio(tmp_path_factory: pytest.TempPathFactory, x: np.ndarray) -> None:
    folder = tmp_path_factory.mktemp("channel")
    assert same(channel(folder, a=as_csv(x, x[:, 0].astype(float))).read(), x, x[:, 0])
    assert same(channel(folder, a=as_recordio(x, x[:, 0])).read(), x, x[:, 0])


def in_the_middle(line: str) -> bytes:
    lines = as_csv(X, Y).splitlines()
    lines[249] = line.encode()
    return b"\n".join(lines)


FAULTS = {
    "1,2,3": ("train/a, line 250 has 3 columns; 8 were expected", "same number of columns"),
    "1,1,1,1,1,1,1,1,1": ("train/a, line 250 has 9 columns; 8", "same number of columns"),
    "1,2,3,red,5,6,7,8": ("train/a, line 250, column 4: 'red' is not a number", "Encode text"),
    "1,2,3,1_0,5,6,7,8": ("train/a, line 250, column 4: '1_0' is not a number", "Encode text"),
    "1,2,3,.,5,6,7,8": ("train/a, line 250, column 4: '.' is not a number", "Encode text"),
    "1,2,3,,5,6,7,8": ("train/a, line 250, column 4 is empty", "fill in the value"),
    "1,2,3,NaN,5,6,7,8": ("train/a, line 250, column 4: NaN is not a finite number", "Remove the row"),
    "1,2,3,inf,5,6,7,8": ("train/a, line 250, column 4: inf is not a finite number", "Remove the row"),
    "1,2,3,1e60,5,6,7,8": ("train/a, line 250: feature 3 is not a finite number", "Remove the row"),
}


@pytest.mark.parametrize("is_big", [False, True])
@pytest.mark.parametrize("line", FAULTS)
def test_a_bad_csv_line_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, is_big: bool) -> None:
    if is_big:
        monkeypatch.setattr(csv, "CHUNK_BYTES", 3000)
    message = fault(channel(tmp_path, a=in_the_middle(line)))
    place, remedy = FAULTS[line]
    assert message.startswith(place)
    assert remedy in message


QUOTED = {
    '1,"0,35","-0,82"': "train/a, line 2, column 2: '0,35' is not a number. Write it with a decimal point",
    '1,"1,000,000",2': "train/a, line 2, column 2: '1,000,000' is not a number. Write it without thousands separators",
    '1,"2,3': "train/a, line 2, column 2: '\"2,3' has an unbalanced quotation mark",
    '1,2",3': "train/a, line 2, column 2: '2\"' has an unbalanced quotation mark",
    '1,"2""",3': "train/a, line 2, column 2: '2\"' is not a number",
    '1,"2"3,4': "train/a, line 2, column 2: '\"2\"3,4' has an unbalanced quotation mark",
    "# 1,2,3": "train/a, line 2, column 1: '# 1' is not a number. CSV has no comments: remove the line",
}


@pytest.mark.parametrize("line", QUOTED)
def test_a_quoted_field_is_one_field(tmp_path: Path, line: str) -> None:
    assert channel(tmp_path, a='1,"2",3\n"0", "-.5" ,""\n'.replace('""', "7")).read().features.tolist() == [
        [2, 3],
        [-0.5, 7],
    ]
    message = fault(channel(tmp_path, a=f"1,2,3\n{line}\n1,2,3\n"))
    assert message.startswith(QUOTED[line])
    message = fault(channel(tmp_path, a=f"{line}\n1,2,3\n"))
    assert message.startswith(QUOTED[line].replace("line 2", "line 1"))


def test_a_byte_order_mark_is_no_part_of_the_first_number(tmp_path: Path) -> None:
    content = "\ufeff1,2\n0,3\n".encode()
    for text in (content, content.replace(b"\n", b"\r\n"), gzip.compress(content)):
        assert channel(tmp_path, a=text).read().features.tolist() == [[2], [3]]


def test_a_header_is_recognised(tmp_path: Path) -> None:
    message = fault(channel(tmp_path, a=b"label,a,b\n1,2,3\n"))
    assert message.startswith("train/a, line 1 looks like a header ('label,a,b')")
    assert "remove the first line" in message


def test_another_separator_is_recognised(tmp_path: Path) -> None:
    assert "Separate the columns by commas" in fault(channel(tmp_path, a=b"1;2;3\n1;2;3\n"))


def test_a_single_column_has_no_features(tmp_path: Path) -> None:
    assert "needs a label and at least one feature" in fault(channel(tmp_path, a=b"1\n2\n"))


def test_another_feature_dim_is_named_with_the_right_one(tmp_path: Path) -> None:
    for content in (as_csv(X, Y), as_recordio(X, Y), as_parquet(X, Y, tmp_path / "any")):
        message = fault(channel(tmp_path, a=content), feature_dim=10)
        assert "7 features, but feature_dim is 10. Set feature_dim to 7" in message


def test_a_missing_channel_is_named_with_the_existing_ones(tmp_path: Path) -> None:
    missing = ChannelReader("train", tmp_path / "train")
    assert fault(missing).startswith("Channel train is missing. Pass it to fit()")
    (tmp_path / "training").mkdir()
    assert fault(missing).startswith("Channel train is missing. The job has only 'training'.")


def test_bytes_that_are_not_a_table_are_refused(tmp_path: Path) -> None:
    assert ("none of the supported formats text/csv, application/x-recordio-protobuf") in fault(
        channel(tmp_path, a=b"\x89PNG\r\n\0\0\0")
    )
    assert "is not text" in fault(channel(tmp_path, a=b"1,2,\xff\n"))


def test_unknown_and_unlabelled_content_types_are_refused(tmp_path: Path) -> None:
    assert "Use one of text/csv" in fault(channel(tmp_path, "image/png", a=b"1,2\n"))
    assert "label in the first column" in fault(channel(tmp_path, "text/csv;label_size=0", a=b"1,2\n"))


def test_a_truncated_gzip_file_is_refused(tmp_path: Path) -> None:
    assert "a truncated or damaged gzip file" in fault(channel(tmp_path, a=gzip.compress(as_csv(X, Y))[:-20]))


def test_a_truncated_record_names_its_offset(tmp_path: Path) -> None:
    content = as_recordio(X, Y)
    length = len(content) // 500
    message = fault(channel(tmp_path, a=content[: -length // 2]))
    assert message.startswith(f"train/a, record 500 at byte {499 * length}: the record has a length of")
    assert "truncated" in message


def test_bytes_between_records_name_their_offset(tmp_path: Path) -> None:
    content = as_recordio(X, Y)
    length = len(content) // 500
    message = fault(channel(tmp_path, a=content[: 7 * length] + b"rubbish!" + content[7 * length :]))
    assert message.startswith(f"train/a, record 8 at byte {7 * length}: no record starts here")


def test_a_record_of_another_width_is_named(tmp_path: Path) -> None:
    content = as_recordio(X[:50], Y[:50]) + as_recordio(X[:1, :5], Y[:1])
    assert "record 51 at byte" in fault(channel(tmp_path, a=content))


def test_a_record_without_label_is_named(tmp_path: Path) -> None:
    content = as_recordio(X[:3], Y[:3]) + encode_table(X[:1], None)
    assert "record 4 at byte" in fault(channel(tmp_path, a=content))


def test_a_nan_in_a_record_is_named(tmp_path: Path) -> None:
    x = X.copy()
    x[41, 2] = np.nan
    assert fault(channel(tmp_path, a=as_recordio(x, Y))).startswith(
        "train/a, record 42: feature 3 is not a finite number"
    )


def tensor(number: int, values: bytes, keys: list[int] | None = None, shape: int | None = None) -> bytes:
    parts = recordio._delimited(1, values)
    if keys is not None:
        parts += recordio._delimited(2, b"".join(map(recordio._varint_bytes, keys)))
    if shape is not None:
        parts += recordio._delimited(3, recordio._varint_bytes(shape))
    return recordio._delimited(2, recordio._delimited(number, parts))


def record(features: bytes, label: bytes) -> bytes:
    name = recordio._delimited(1, b"values")
    return framing.frame(recordio._delimited(1, name + features) + recordio._delimited(2, name + label))


def test_sparse_float64_and_int32_records_are_read(tmp_path: Path) -> None:
    one = tensor(7, recordio._varint_bytes(1))
    sparse = record(tensor(2, np.array([1.5, -2], "<f4").tobytes(), [0, 300], 1000), one)
    dense = record(tensor(3, np.arange(1000, dtype="<f8").tobytes()), tensor(3, np.array([0.0]).tobytes()))
    negative = tensor(7, b"\xff" * 9 + b"\x01" + recordio._varint_bytes(5), [1, 999], 1000)
    table = channel(tmp_path, a=sparse + dense * 3 + record(negative, one)).read()
    assert table.features.shape == (5, 1000)
    assert table.features[0, [0, 300, 999]].tolist() == [1.5, -2, 0]
    assert (table.features[1] == np.arange(1000)).all()
    assert table.features[4, [1, 999]].tolist() == [-1, 5]
    assert table.labels.tolist() == [1, 0, 0, 0, 1]


def test_sparse_records_without_a_length_need_feature_dim(tmp_path: Path) -> None:
    content = record(tensor(2, np.array([1.5], "<f4").tobytes(), [3]), tensor(2, np.array([1], "<f4").tobytes()))
    assert "Set the hyperparameter feature_dim" in fault(channel(tmp_path, a=content))
    assert channel(tmp_path, a=content).read(6).features.tolist() == [[0, 0, 0, 1.5, 0, 0]]
    assert "each below 3" in fault(channel(tmp_path, a=content), 3)


def test_a_sparse_record_of_zeros_is_a_row_of_zeros(tmp_path: Path) -> None:
    one = tensor(2, np.array([1], "<f4").tobytes())
    some = record(tensor(2, np.array([1.5], "<f4").tobytes(), [3], 5), one)
    zeros = record(recordio._delimited(2, recordio._delimited(2, recordio._delimited(3, b"\x05"))), one)
    for content in (zeros + some, some + zeros):  # as SageMaker's SDK writes it: a shape, but neither keys nor values
        assert sorted(channel(tmp_path, a=content).read().features.sum(axis=1).tolist()) == [0, 1.5]


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200), st.integers(0, 300), st.integers(0, 255))
def test_damaged_records_are_refused_and_never_crash(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, place: int, byte: int
) -> None:
    content = bytearray(as_recordio(X[:6], Y[:6]))
    content[place] = byte
    reader = channel(tmp_path_factory.mktemp("channel"), "application/x-recordio-protobuf", a=bytes(content) + noise)
    try:
        reader.read()
    except ClientError as error:
        assert str(error).startswith("train/a, record")


def test_parquet_errors_name_the_column(tmp_path: Path) -> None:
    place = tmp_path / "any"
    polars.DataFrame({"label": [1.0, 2], "colour": ["red", "blue"]}).write_parquet(place)
    assert "column 'colour' has type String" in fault(channel(tmp_path, a=place.read_bytes()))
    polars.DataFrame({"label": [1.0, 2], "size": [1, None]}).write_parquet(place)
    assert "train/a, row 2, column 'size' is empty" in fault(channel(tmp_path, a=place.read_bytes()))
    assert "is not a valid Parquet file" in fault(channel(tmp_path, a=place.read_bytes()[:-30]))


def test_blank_lines_are_not_rows(tmp_path: Path) -> None:
    assert len(channel(tmp_path, a=b"\n  \n\n").read()) == 0
    assert channel(tmp_path, a=b"\n1,2\n\n3,4\n\n").read().labels.tolist() == [1, 3]
    assert "train/a, line 4, column 2: 'x' is not a number" in fault(channel(tmp_path, a=b"\n1,2\n\n3,x\n\n"))


NUMBERS = ("1", "-2.5", ".5", "5.", "+3", "007", "9e-307", "90e-308", "9e-306", "90e-307", "18446744073709551616")
NO_NUMBERS = ("", " ", "\t", "\r", "nan", "inf", "1e400", "1_0", "x", "٣", "[1]", "{}", "true", "null", "0x1", "1;2")
POINTS = (".", "-.", "+.", ".e5", "-.e5", "1.e", "..5", ".5.")
IN_QUOTES = ('""', '"1"', '"-.5"', ' "6" ', '"0,35"', '"1;2"', '"1""2"', '"x"', '""1', '1"', '"2', '2"', '"1\n2"')
CELLS = st.sampled_from([*NUMBERS, *NO_NUMBERS, *POINTS, *IN_QUOTES])
LINES = st.lists(CELLS, min_size=1, max_size=5)
DELIMITERS = st.sampled_from([",", ",", ";", "\t"])


@st.composite
def damaged_texts(draw: st.DrawFn) -> bytes:
    """Good lines, damaged ones among them, and some ends of lines."""
    delimiter = draw(DELIMITERS)
    good = [
        ["1", *draw(st.sampled_from([["2"], ['"2"'], [".5"], [""], ["9e-307"]]))]
        for _ in range(draw(st.integers(0, 6)))
    ]
    lines = draw(st.permutations([*good, *draw(st.lists(LINES, max_size=3))]))
    ends = [draw(st.sampled_from(["\n", "\n", "\n", "\r\n", "\n\n", "\r"])) for _ in lines]
    text = "".join(delimiter.join(line) + end for line, end in zip(lines, ends, strict=True))
    text = text if draw(st.booleans()) else text.rstrip("\n")
    return (draw(st.sampled_from(["", "", "\ufeff"])) + text).encode()


def outcome(content: bytes, empty: float | None) -> object:
    table = DenseTable(empty=empty)
    try:
        csv.read(io.BytesIO(content), "train/a", table, other_delimiters=b";\t" if empty is not None else b"")
    except ClientError as error:
        return str(error)
    return table.features.tobytes(), table.labels.tobytes(), table.features.shape


@settings(deadline=None, max_examples=1000)
@given(damaged_texts(), st.sampled_from([None, np.nan]), st.sampled_from([1, 8, 25, 1 << 19]))
def test_the_fast_parsers_accept_only_what_the_exact_one_does_with_the_same_values(
    content: bytes, empty: float | None, chunk_bytes: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv, "read_fast", lambda *_: None)
        exact = outcome(content, empty)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv, "CHUNK_BYTES", chunk_bytes)
        assert outcome(content, empty) == exact


@pytest.mark.parametrize("cell", [".", "-.", ".e5", "-.E5", '"."', '"-."', " .", "+."])
@pytest.mark.parametrize("empty", [None, np.nan])
def test_a_point_without_digits_is_no_number(cell: str, empty: float | None) -> None:
    shown = cell.strip(' "')
    found = outcome(f"1,.5\n0,-.5\n1,{cell}\n0,5.\n".encode(), empty)
    assert isinstance(found, str)
    assert f"train/a, line 3, column 2: {shown!r} is not a number" in found


def test_an_integer_of_many_digits_is_read(tmp_path: Path) -> None:
    table = channel(tmp_path, a="1,100000000000000000000\n0,2\n").read()
    assert table.features[:, 0].tolist() == [np.float32(1e20), 2.0]


@given(
    arrays(np.float32, (12, 3), elements=st.none().map(lambda _: np.nan) | st.floats(-9, 9, width=32)),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["", "nan", " "]),
    st.sampled_from(["\n", "\r\n"]),
)
@settings(max_examples=60, deadline=None)
def test_empty_cells_are_missing_if_a_table_supports_missing_values(x, delimiter, empty, end) -> None:
    rows = [[i % 2, *(empty if np.isnan(value) else repr(float(value)) for value in row)] for i, row in enumerate(x)]
    text = "".join(delimiter.join(map(str, row)) + end for row in rows)
    table = DenseTable(empty=np.nan)
    csv.read(io.BytesIO(text.encode()), "train/a", table, other_delimiters=b";\t|")
    np.testing.assert_array_equal(table.features, x)
    assert table.labels.tolist() == [i % 2 for i in range(12)]


def test_many_rows_with_empty_cells_are_read_correctly(tmp_path: Path) -> None:
    x = np.where(np.random.default_rng(0).random((40_000, 4)) < 0.3, np.nan, 1.5).astype(np.float32)
    lines = ("1," + ",".join("" if np.isnan(value) else "1.5" for value in row) for row in x)
    table = DenseTable(empty=np.nan)
    csv.read(io.BytesIO(("\n".join(lines) + "\n").encode()), "train/a", table)
    np.testing.assert_array_equal(table.features, x)


def test_a_pipe_is_read_as_a_file_is(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "train_0")
    writer = threading.Thread(target=(tmp_path / "train_0").write_bytes, args=(as_csv(X, Y),))
    writer.start()
    table = ChannelReader("train", tmp_path / "train", is_piped=True).read()
    writer.join()
    assert same(table)
