"""Training data of xgboost: every format, weights, groups, and invalid data."""

from pathlib import Path

import numpy as np
import polars
import pytest
import xgboost

from lowcloud import contract
from lowcloud.runtime.formats import recordio
from tests.support.data.tables import encode_table
from tests.support.programs.xgboost_jobs import (
    BINARY,
    RNG,
    THREE,
    TWO,
    X,
    as_csv,
    as_libsvm,
    job,
    metrics,
    plain,
    stored,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning")


@pytest.mark.parametrize("form", ["libsvm", "recordio", "sparse recordio", "parquet", "csv", "semicolons"])
def test_every_format_is_read_missing_values_included(tmp_path: Path, form: str) -> None:
    x = np.where(RNG.random(X.shape) < 0.3, np.nan, X).astype(np.float32)
    x[0, 5] = 1  # so that libsvm shows all columns
    path = tmp_path / "any"
    if form == "parquet":
        columns = {f"f{i}": [None if np.isnan(v) else float(v) for v in x[:, i]] for i in range(x.shape[1])}
        polars.DataFrame({"label": TWO} | columns).write_parquet(path)
    content, kind = {
        "libsvm": lambda: (as_libsvm(np.nan_to_num(x), TWO), "text/libsvm"),
        "recordio": lambda: (encode_table(x, TWO.astype(np.float32)), "application/x-recordio-protobuf"),
        "sparse recordio": lambda: (b"".join(map(sparse_record, x, TWO)), "recordio-protobuf"),
        "parquet": lambda: (path.read_bytes(), "application/x-parquet"),
        "csv": lambda: (as_csv(x, TWO), "text/csv; label_size=1"),
        "semicolons": lambda: (as_csv(x, TWO).replace(b",", b";"), "csv"),
    }[form]()
    data = xgboost.DMatrix(x, label=TWO)
    judge = plain(BINARY, data)
    for content_type in (kind, None):
        booster = stored(job(tmp_path / str(content_type).replace("/", "-"), BINARY, content_type, train=content))
        np.testing.assert_array_equal(booster.predict(data), judge.predict(data))


def sparse_record(row: np.ndarray, label: float) -> bytes:
    """A record of the values that are there, with their keys."""

    def varint(value: int) -> bytes:
        return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)

    def field(number: int, body: bytes) -> bytes:
        return varint(number << 3 | 2) + varint(len(body)) + body

    there = np.flatnonzero(~np.isnan(row))
    tensor = (
        field(1, row[there].tobytes()) + field(2, b"".join(map(varint, there.tolist()))) + field(3, varint(len(row)))
    )
    values = field(1, field(1, b"values") + field(2, field(2, tensor)))
    named = field(2, field(1, b"values") + field(2, field(2, field(1, np.float32(label).tobytes()))))
    return recordio.frame(values + named)


def test_weights_of_csv_are_those_of_the_rows(tmp_path: Path) -> None:
    weights = RNG.random(600).astype(np.float32)
    channels = {"train": as_csv(X, TWO, weights), "validation": as_csv(X, TWO)}
    ended = job(tmp_path, {**BINARY, "csv_weights": 1}, **channels)
    data = xgboost.DMatrix(X, label=TWO, weight=weights)
    np.testing.assert_array_equal(stored(ended).predict(data), plain(BINARY, data).predict(data))


def test_groups_of_libsvm_are_ranked_within(tmp_path: Path) -> None:
    groups = np.sort(RNG.integers(30, size=600))
    lines = as_libsvm(X, THREE.astype(int)).decode().splitlines()
    content = "".join(f"{line.replace(' ', f' qid:{group} ', 1)}\n" for line, group in zip(lines, groups, strict=True))
    parameters = {"num_round": 5, "objective": "rank:ndcg", "eval_metric": "ndcg@5,ndcg@1"}
    ended = job(tmp_path, parameters, train=content.encode())
    data = xgboost.DMatrix(X, label=THREE, qid=groups)
    judge = plain({"num_round": 5, "objective": "rank:ndcg"}, data)
    np.testing.assert_array_equal(stored(ended).predict(data), judge.predict(data))
    assert set(metrics(ended.log)) == {"train:ndcg"}


@pytest.mark.parametrize(
    ("parameters", "channels", "said"),
    [
        (BINARY, {"train": b""}, "Channel train has no rows"),
        (BINARY, {"train": as_csv(X, TWO), "validation": b""}, "Channel validation has no rows"),
        (
            BINARY,
            {"train": as_csv(X, TWO), "validation": as_csv(X[:, 1:], TWO)},
            "validation/part, line 1 has 5 features",
        ),
        (BINARY, {"train": as_csv(X, np.ones(600))}, "only rows of class 1"),
        (BINARY, {"train": b"0,1\n\n2,1\n1,3\n"}, "train/part, line 3: the label 2 is not 0 or 1"),
        (BINARY, {"train": b"0,1\n,1\n1,3\n"}, "train/part, line 2: the label is missing"),
        (BINARY, {"train": b"0,1\n1,x\n"}, "train/part, line 2, column 2: 'x' is not a number"),
        (BINARY, {"train": b"0,1\n1,1e39\n"}, "train/part, line 2 has a feature that is infinite"),
        (BINARY, {"train": b"0 0:1\n1 0:x\n"}, "train/part, line 2: '0:x' is not column:value"),
        ({**BINARY, "csv_weights": 1}, {"train": b"0,1,5\n1,-1,6\n"}, "line 2, column 2: the weight -1"),
        ({**BINARY, "early_stopping_rounds": 3}, {"train": as_csv(X, TWO)}, "needs a validation channel"),
        ({**BINARY, "tree_method": "gpu_hist"}, {"train": as_csv(X, TWO)}, "needs a build of XGBoost with CUDA"),
        (BINARY, {"train": as_csv(X, TWO), "trial": b"1"}, "Channel 'trial' is not supported"),
        ({"num_round": 2, "process_type": "update", "updater": "refresh"}, {"train": as_csv(X, TWO)}, "channel model"),
        (
            {**BINARY, "base_score": 7},
            {"train": as_csv(X, TWO)},
            "XGBoost cannot train on this data: base_score must be in",
        ),
        ({**BINARY, "num_round": 0}, {"train": as_csv(X, TWO)}, "num_round must be an integer from 1"),
    ],
)
def test_invalid_training_data_is_named_with_its_place(
    tmp_path: Path, parameters: dict, channels: dict, said: str
) -> None:
    ended = job(tmp_path, parameters, **channels)
    assert ended.code == contract.EXIT_CLIENT_ERROR, ended.log
    assert ended.failure.startswith("ClientError: ")
    assert said in ended.failure
