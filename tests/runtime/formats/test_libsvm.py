"""The libsvm reader, compared with XGBoost's where that can read the text, and with the original data."""

import io
from pathlib import Path

import numpy as np
import pytest
import simdjson
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.formats import libsvm
from lowcloud.runtime.formats.sparse import SparseTable

numbers = st.floats(-1e6, 1e6, width=32)
entries = st.dictionaries(st.integers(0, 50), numbers, max_size=6)
rows = st.lists(st.tuples(numbers, st.none() | st.floats(0, 10, width=32), entries), min_size=1, max_size=30)
spellings = st.sampled_from(["{!r}", "{:+}", "{:e}", "{:.7g}"])


def read(text: bytes, name: str = "train/a") -> SparseTable:
    table = SparseTable()
    libsvm.read(io.BytesIO(text), name, table)
    return table


def fault(text: bytes) -> str:
    with pytest.raises(ClientError) as caught:
        read(text)
    return str(caught.value)


@given(rows, spellings, st.sampled_from([" ", "  ", "\t"]), st.sampled_from(["\n", "\r\n", " \n", "\n\n", " # why\n"]))
@settings(max_examples=150, deadline=None)
def test_written_lines_are_read(written: list, spelling: str, space: str, end: str) -> None:
    def say(number: float) -> str:
        return spelling.format(number)

    lines = [
        space.join(
            [say(label) + (f":{say(weight)}" if weight is not None else "")]
            + [f"{column}:{say(value)}" for column, value in sorted(entries.items())]
        )
        for label, weight, entries in written
    ]
    table = read("".join(line + end for line in lines).encode())

    def said(number: float) -> float:
        return float(say(number))

    assert table.labels.tolist() == [said(label) for label, _, _ in written]
    weights = [1.0 if weight is None else said(weight) for _, weight, _ in written]
    if any(weight is not None for _, weight, _ in written):
        assert table.weights is not None
        assert table.weights.tolist() == weights
    else:
        assert table.weights is None
    sparse = table.features(51)
    for i, (_, _, entries) in enumerate(written):
        part = slice(sparse.starts[i], sparse.starts[i + 1])
        assert sparse.indices[part].tolist() == sorted(entries)
        assert sparse.values[part].tolist() == [np.float32(said(value)) for _, value in sorted(entries.items())]


@given(st.binary(max_size=60) | st.text("0123456789:+-.e \nq#id", max_size=60).map(str.encode))
@settings(max_examples=300, deadline=None)
def test_any_bytes_give_rows_or_an_error_with_its_line(content: bytes) -> None:
    try:
        table = read(content)
    except ClientError as error:
        assert "train/a, line " in str(error)
    else:
        assert len(table) == len(table.labels)
        assert np.isfinite(table.labels).all()


def test_the_reader_agrees_with_xgboosts(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = []
    for _ in range(500):
        columns = np.flatnonzero(rng.random(40) < 0.2)
        lines.append(" ".join([f"{rng.integers(2)}:{rng.random():.6g}", *(f"{c}:{rng.normal():.6g}" for c in columns)]))
    path = tmp_path / "rows"
    path.write_text("\n".join(lines) + "\n")
    judge = xgboost.DMatrix(f"{path}?format=libsvm")
    table = read(path.read_bytes())
    theirs = judge.get_data()
    ours = table.features(table.width)
    assert table.width == judge.num_col()
    assert ours.starts.tolist() == theirs.indptr.tolist()
    assert ours.indices.tolist() == theirs.indices.tolist()
    np.testing.assert_array_almost_equal_nulp(ours.values, theirs.data, 1)
    np.testing.assert_array_equal(table.labels, judge.get_label())
    assert table.weights is not None
    np.testing.assert_allclose(table.weights, judge.get_weight(), rtol=1e-6)


def test_groups_to_rank_are_read() -> None:
    table = read(b"2 qid:1 0:1\n1 qid:1 3:2\n0 qid:7\n")
    assert table.queries is not None
    assert table.queries.tolist() == [1, 1, 7]
    assert table.features(4).starts.tolist() == [0, 1, 2, 2]


def test_chunks_are_joined_across_their_borders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lowcloud.runtime.formats.csv.CHUNK_BYTES", 64)
    table = read(b"".join(b"%d 0:%d 7:1.5\n" % (i, i) for i in range(500)))
    assert table.labels.tolist() == list(range(500))
    assert table.features(8).values[::2].tolist() == list(range(500))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"1 0:1\n1 0:1 2\n", "line 2: '2' is not column:value"),
        (b"1 0:1\n\n1 a:1\n", "line 3: 'a:1' is not column:value"),
        (b"1 -1:3\n", "line 1: '-1:3' is not column:value"),
        (b"1 1.5:3\n", "line 1: '1.5:3' is not column:value"),
        (b"1 0:inf\n", "line 1: '0:inf' is not column:value"),
        (b"yes 0:1\n", "line 1: 'yes' is not a label"),
        (b"nan 0:1\n", "line 1: the label or weight 'nan' is invalid"),
        (b"1:-2 0:1\n", "line 1: the label or weight '1:-2'"),
        (b"1,2,3\n", "looks like CSV, but is parsed as libsvm. Set the channel's ContentType to text/csv"),
        (b"1 0:1\n1 2:1 0:3 2:1\n", "line 2: '2' occurs twice"),
        (b"1 0:1\n1 2:1 2.0:1\n", "line 2: '2.0' occurs twice"),
        (b"1 qid:1 0:1\n1 qid:1 qid:1\n", "line 2: 'qid' occurs twice"),
        (b"1 qid:1 0:1\n\n1 2:1\n", "line 3: the row has no group, but those before it have one"),
        (b"1 0:1\n# why\n1 qid:1 2:1\n", "line 3: the row has a group, but those before it have none"),
        (b"0:1 2:3:4\n", "line 1: '2:3:4' is not column:value"),
    ],
)
def test_errors_name_the_line_and_the_problem(text: bytes, said: str) -> None:
    assert said in fault(text)


def test_numbers_that_are_not_valid_json_are_read() -> None:
    rows = libsvm.parse(b"+1 0:.5 1:1. 2:nan\n-1 0:007\n", simdjson.Parser())
    assert rows is not None
    assert rows.labels.tolist() == [1, -1]
    np.testing.assert_array_equal(rows.values, [0.5, 1.0, np.nan, 7.0])


def test_a_byte_order_mark_is_no_part_of_the_first_label() -> None:
    assert read(b"\xef\xbb\xbf1 0:2\n").labels.tolist() == [1]


@pytest.mark.parametrize("column", ["4294967295", "4294967295.0", "2147483647"])
def test_a_column_that_is_too_large_is_named(column: str) -> None:
    with pytest.raises(ClientError, match=f"line 2: '{column}:1' has a column above 2147483646"):
        read(f"1 qid:1 0:1\n1 qid:1 {column}:1\n".encode())


def test_a_group_that_is_no_whole_number_is_named() -> None:
    with pytest.raises(ClientError, match=r"line 1: 'qid:1\.5' is not qid:group"):
        read(b"1 qid:1.5 0:1\n")


def test_columns_in_any_order_are_read() -> None:
    table = read(b"1 2:5 0:7\n1 1:3\n0\n1 1:4 0:2\n")
    assert (table.features(3).indices.tolist(), table.features(3).values.tolist()) == ([2, 0, 1, 1, 0], [5, 7, 3, 4, 2])


def test_groups_in_some_files_or_chunks_only_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    table = SparseTable()
    libsvm.read(io.BytesIO(b"1 qid:1 0:1\n"), "train/a", table)
    with pytest.raises(ClientError, match="train/b, line 2: the row has no group"):
        libsvm.read(io.BytesIO(b"\n1 0:1\n"), "train/b", table)
    monkeypatch.setattr("lowcloud.runtime.formats.csv.CHUNK_BYTES", 64)
    assert "line 101: the row has a group" in fault(b"1 0:1\n" * 100 + b"1 qid:3 0:1\n" * 100)
