"""One table in every form that a channel accepts: the same model and predictions, or a refusal that names a column."""

import gzip
import io
import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lowcloud.runtime.formats import BadRequestError
from tests.support.data.tables import csv_of, encode_table
from tests.support.programs.builtin_jobs import PARAMETERS, fit, scores
from tests.support.programs.training_programs import Ended, start, wait, write_job_folder

ALGORITHMS = ["xgboost", "linear-learner"]
RNG = np.random.default_rng(7)
NAMES = ["y", "age", "height", "width"]
X = RNG.normal(size=(80, 3)).astype(np.float32) * [1, 10, 100]
Y = (X[:, 0] * 10 + X[:, 1] - X[:, 2] / 10 > 0).astype(np.float32)
TABLE = pl.DataFrame(np.column_stack([Y, X]), schema=NAMES)
REQUEST = csv_of(X)


def parquet(frame: pl.DataFrame, index: list[object] | None = None) -> bytes:
    file = io.BytesIO()
    metadata = None if index is None else {"pandas": json.dumps({"index_columns": index})}
    frame.write_parquet(file, metadata=metadata)
    return file.getvalue()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_parquet_columns_are_matched_by_name_across_files_and_channels(tmp_path: Path, algorithm: str) -> None:
    whole = fit(tmp_path / "whole", algorithm, train={"a": parquet(TABLE)}, validation={"a": parquet(TABLE)})
    parts = {"a": parquet(TABLE[:30]), "b": parquet(TABLE[30:].select("y", "width", "age", "height"))}
    mixed = fit(tmp_path / "mixed", algorithm, train=parts, validation={"a": parquet(TABLE.select(NAMES[::-1]))})
    expected = scores(whole, algorithm, REQUEST)
    assert scores(mixed, algorithm, REQUEST) == pytest.approx(expected, abs=1e-6)
    metrics = [re.findall(r"validation.*(?:>=|logloss:)(.*)", ended.log) for ended in (whole, mixed)]
    assert metrics[0] == metrics[1] != []
    objects = {"instances": [dict(zip(NAMES[:0:-1], row[::-1], strict=True)) for row in X.tolist()]}
    assert scores(mixed, algorithm, json.dumps(objects).encode(), "application/json") == pytest.approx(expected)
    with pytest.raises(BadRequestError, match="the feature 'width' is not given; the features are age, height, width"):
        scores(mixed, algorithm, b'{"age": 1, "height": 2}', "application/jsonlines")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    ("other", "said"),
    [
        (TABLE.drop("age"), "does not have the column 'age'"),
        (TABLE.rename({"age": "Age"}), "does not have the column 'age'"),
        (TABLE.with_columns(more=1), "has the unknown column 'more'"),
    ],
)
def test_columns_of_other_names_are_refused_by_name(
    tmp_path: Path, algorithm: str, other: pl.DataFrame, said: str
) -> None:
    ended = fit(tmp_path / "files", algorithm, train={"a": parquet(TABLE), "b": parquet(other)})
    assert f"train/b {said}; the columns of the data before it are y, age, height, width" in ended.failure
    ended = fit(tmp_path / "channels", algorithm, train={"a": parquet(TABLE)}, validation={"a": parquet(other)})
    assert f"validation/a {said}" in ended.failure


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_index_of_pandas_is_no_feature(tmp_path: Path, algorithm: str) -> None:
    expected = scores(fit(tmp_path / "plain", algorithm, train={"a": parquet(TABLE)}), algorithm, REQUEST)
    numbers = pl.Series(range(80))
    stored = {
        "unnamed": parquet(TABLE.with_columns(numbers.alias("__index_level_0__")), ["__index_level_0__"]),
        "named": parquet(TABLE.with_columns(numbers.alias("id")), ["id"]),
        "rewritten": parquet(TABLE.with_columns(numbers.alias("__index_level_0__"))),
        "a range": parquet(TABLE, [{"kind": "range", "start": 0, "stop": 80, "step": 1}]),
    }
    for name, content in stored.items():
        ended = fit(tmp_path / name, algorithm, train={"a": content})
        assert scores(ended, algorithm, REQUEST) == expected, name
        assert ("is an index and was left out" in ended.log) == (name != "a range")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_files_of_markers_and_hidden_files_are_not_data(tmp_path: Path, algorithm: str) -> None:
    markers = dict.fromkeys(("_SUCCESS", "_metadata", "_committed_17", ".crc", "_tmp/a", ".ipynb_checkpoints/a"), b"x")
    ended = fit(tmp_path / "some", algorithm, train={**markers, "a": csv_of(np.column_stack([Y, X]))})
    assert ended.code == 0, ended.failure
    ended = fit(tmp_path / "none", algorithm, train=markers)
    assert "Channel train has no rows: its 6 files, such as train/" in ended.failure
    assert "are skipped because a name that begins with . or _" in ended.failure


def hosts(folder: Path, algorithm: str, distribution: str, shards: list[bytes]) -> list[Ended]:
    names = tuple(f"algo-{i + 1}" for i in range(len(shards)))
    (folder / "meet").mkdir(parents=True)
    bases = [
        write_job_folder(folder / name, PARAMETERS[algorithm], {"train": shard}, names, name, distribution=distribution)
        for name, shard in zip(names, shards, strict=True)
    ]
    processes = [start(base, folder / "meet", algorithm) for base in bases]
    return [wait(base, process) for base, process in zip(bases, processes, strict=True)]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_rows_that_every_host_has_count_once(tmp_path: Path, algorithm: str) -> None:
    content = csv_of(np.column_stack([Y, X]))
    expected = scores(fit(tmp_path / "one", algorithm, train={"a": content}), algorithm, REQUEST)
    ended = hosts(tmp_path / "two", algorithm, "FullyReplicated", [content, content])
    assert scores(ended[0], algorithm, REQUEST) == pytest.approx(expected, abs=1e-3)
    for one in ended:
        assert "Channel train: every host has all 80 rows (FullyReplicated), and this one trains on 40" in one.log


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_hosts_agree_on_the_order_of_named_columns(tmp_path: Path, algorithm: str) -> None:
    expected = scores(fit(tmp_path / "one", algorithm, train={"a": parquet(TABLE)}), algorithm, REQUEST)
    shards = [parquet(TABLE[:40]), parquet(TABLE[40:].select("y", "width", "height", "age"))]
    ended = hosts(tmp_path / "two", algorithm, "ShardedByS3Key", shards)
    assert scores(ended[0], algorithm, REQUEST) == pytest.approx(expected, abs=1e-3)
    assert "Channel train: this host has 40 rows, those of its objects (ShardedByS3Key)" in ended[1].log


NUMBERS = st.one_of(st.integers(-99, 99).map(float), st.floats(-1e6, 1e6, width=32))
TABLES = st.lists(st.lists(NUMBERS, min_size=3, max_size=3), min_size=4, max_size=12)


def quoted(content: bytes) -> bytes:
    return b"".join(b",".join(b'"%s"' % cell for cell in line.split(b",")) + b"\r\n" for line in content.splitlines())


def libsvm(rows: np.ndarray) -> bytes:
    lines = (" ".join([f"{row[0]:g}", *(f"{i}:{value!r}" for i, value in enumerate(row[1:].tolist()))]) for row in rows)
    return "\n".join(lines).encode()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(max_examples=8, deadline=None)
@given(TABLES, st.permutations([0, 1, 2]), st.integers(0, 4))
def test_every_form_of_a_table_gives_the_same_model(
    algorithm: str, table: list[list[float]], order: list[int], cut: int
) -> None:
    x = np.array(table, np.float32)
    y = (np.arange(len(x)) % 2).astype(np.float32)
    rows = np.column_stack([y, x])
    frame = pl.DataFrame(rows, schema=NAMES)
    mixed = frame.select("y", *(NAMES[1:][i] for i in order))
    plain = csv_of(rows)
    forms = {
        "csv": {"a": plain},
        "csv, quoted, with a byte order mark": {"a": "\ufeff".encode() + quoted(plain)},
        "csv, gzip, in parts": {"a.gz": gzip.compress(csv_of(rows[:cut])), "b.gz": gzip.compress(csv_of(rows[cut:]))},
        "csv, blank lines": {"a": plain.replace(b"\n", b"\n\n")},
        "parquet": {"a.parquet": parquet(frame)},
        "parquet, folders": {"p=1/a": parquet(frame[:cut]), "p=2/a": parquet(mixed[cut:]), "_SUCCESS": b""},
        "recordio": {"a": encode_table(x, y)},
        **({"libsvm": {"a": libsvm(rows)}} if algorithm == "xgboost" else {}),
    }
    with TemporaryDirectory() as folder:
        ended = {name: fit(Path(folder) / name, algorithm, train=files) for name, files in forms.items()}
        found = {name: scores(one, algorithm, csv_of(x)) for name, one in ended.items()}
        assert found == dict.fromkeys(forms, found["csv"])
        bodies = {
            "application/x-recordio-protobuf": encode_table(x, None),
            "application/jsonlines": b"\n".join(json.dumps({"features": row}).encode() for row in x.tolist()),
            "text/csv": quoted(csv_of(x)),
        }
        for kind, body in bodies.items():
            assert scores(ended["csv"], algorithm, body, kind) == pytest.approx(found["csv"], rel=1e-6)
        named = b"\n".join(json.dumps(row).encode() for row in mixed.drop("y").to_dicts())
        assert scores(ended["parquet"], algorithm, named, "application/jsonlines") == pytest.approx(
            found["csv"], rel=1e-6
        )


SPELLINGS = (b"", b" ", b"x", b"1_0", b"+1", b".5", b"5.", b"1e3", b"1e39", b"nan", b"inf", b"0x1", "٣".encode())
MARKS = (b'"2"', b'"0,35"', b'""', b'"', b'"1', b'1"', b'"1""2"', b"1;2", b"1 2", b"1,2")
BREAKS = (b"1\n", b"\n1", b"1\r2", b"1\n\n")
DAMAGE = st.sampled_from([*SPELLINGS, *MARKS, *BREAKS])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(max_examples=40, deadline=None)
@given(DAMAGE, st.integers(0, 5), st.integers(0, 2), st.sampled_from([b"\n", b"\r\n"]))
def test_training_and_serving_accept_the_same_rows(
    algorithm: str, damage: bytes, row: int, column: int, end: bytes
) -> None:
    """An endpoint gives the rows of a training file, without their labels, one prediction each, or both refuse them."""
    cells = [[b"%d" % (i * 3 + j) for j in range(3)] for i in range(6)]
    cells[row][column] = damage
    lines = [b",".join(line) for line in cells]
    labelled = end.join(b"%d,%s" % (i % 2, line) for i, line in enumerate(lines))
    with TemporaryDirectory() as folder:
        ended = fit(Path(folder) / "job", algorithm, "text/csv", train={"a": labelled})
        sound = fit(Path(folder) / "sound", algorithm, train={"a": csv_of([[i % 2, i, 1, 2] for i in range(6)])})
        try:
            found: list[float] | None = scores(sound, algorithm, end.join(lines))
        except BadRequestError as error:
            found = None
            assert re.match(r"Row [1-8]", str(error))
        blank_line = damage.endswith(b"\n") and column == 2 and row < 5  # skipped in training, since nothing shifts
        assert (found is not None) == (ended.code == 0 and not blank_line), (ended.failure, found)
        assert found is None or len(found) == 6
        assert ended.code == 0 or re.match(r"ClientError: train/a, line \d", ended.failure)
