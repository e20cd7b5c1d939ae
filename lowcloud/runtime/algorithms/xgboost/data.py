"""The rows of xgboost's channels: read in any of its formats, checked, and made into matrices."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.algorithms.xgboost.booster import Floats, Matrix
from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.formats import csv, libsvm, parquet, recordio_channel
from lowcloud.runtime.formats.channel import CSV, LIBSVM, PARQUET, RECORDIO, ChannelReader
from lowcloud.runtime.formats.sparse import SparseMatrix, SparseTable
from lowcloud.runtime.formats.table import DenseTable

CSV_DELIMITERS = b";\t|"  # beside the comma
MISSING = float("nan")
Labels = NDArray[np.float64]

# What labels an objective takes, and in words.
RANGES: dict[str, tuple[Callable[[Labels], NDArray[np.bool_]], str]] = {
    "binary:": (lambda y: (y == 0) | (y == 1), "0 or 1"),
    "reg:logistic": (lambda y: (y >= 0) & (y <= 1), "from 0 to 1"),
    "count:poisson": (lambda y: y >= 0, "0 or more"),
    "reg:tweedie": (lambda y: y >= 0, "0 or more"),
    "reg:gamma": (lambda y: y > 0, "more than 0"),
    "reg:squaredlogerror": (lambda y: y > -1, "more than -1"),
    "survival:aft": (lambda y: y > 0, "more than 0"),
    "rank:": (lambda y: (y >= 0) & (y == np.floor(y)), "a whole number from 0"),
}


@dataclass(frozen=True)
class Samples:
    """The rows of one channel on one host: features (rows, features), where NaN or what is not written is missing."""

    reader: ChannelReader
    sources: list[tuple[int, str]]
    features: Floats | SparseMatrix
    labels: Labels
    weights: NDArray[np.floating[Any]] | None = None
    queries: NDArray[np.integer[Any]] | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def place_of(self, row: int) -> str:
        """Where a row came from, for messages."""
        first, source = max(entry for entry in self.sources if entry[0] <= row)
        return self.reader.describe_position(source, row - first)

    @property
    def width(self) -> int:
        return self.features.width if isinstance(self.features, SparseMatrix) else self.features.shape[1]


def read(reader: ChannelReader) -> Samples:
    """All rows of a channel. Raises ClientError naming file, line or record, and what to do."""
    dense, sparse = DenseTable(empty=MISSING), SparseTable()
    try:
        reader.read_with(
            {
                LIBSVM: partial(libsvm.read, table=sparse),
                CSV: partial(csv.read, table=dense, other_delimiters=CSV_DELIMITERS),
                PARQUET: partial(parquet.read, table=dense),
                RECORDIO: partial(recordio_channel.read_either, dense=dense, sparse=sparse),
            }
        )
    except MemoryError:
        rows = len(dense) + len(sparse)
        raise ClientError(
            f"Channel {reader.name} does not fit in memory: {rows} rows were read. Use fewer rows, several hosts, or a "
            "machine with more memory."
        ) from None
    if len(dense) and len(sparse):
        raise ClientError(f"Channel {reader.name} mixes sparse files (libsvm) and dense ones. Use one format.")
    if len(sparse):
        features = sparse.features(sparse.width)
        return Samples(reader, sparse.sources, features, sparse.labels, sparse.weights, sparse.queries)
    return Samples(reader, dense.sources, dense.features, dense.labels)


def weigh(samples: Samples) -> Samples:
    """Take the first feature column for the rows' weights, as csv_weights asks. Raises ClientError."""
    if isinstance(samples.features, SparseMatrix) or not len(samples):
        return samples
    weights = samples.features[:, 0].copy()
    bad = ~(weights >= 0)
    if bad.any():
        row = int(bad.argmax())
        raise ClientError(
            f"{samples.place_of(row)}, column 2: the weight {weights[row]:g} is not a number from 0, as csv_weights "
            "requires. Correct it, or leave csv_weights out."
        )
    if samples.width < 2:
        raise ClientError(f"{samples.place_of(0)} has no column beside the label and the weight of csv_weights.")
    return replace(samples, features=samples.features[:, 1:], weights=weights)


def fit_width(samples: Samples, width: int) -> Samples:
    """The rows with so many features. Columns that training never saw are dropped from sparse rows.

    Raises ClientError where dense rows have another number.
    """
    features = samples.features
    if not len(samples):
        return replace(samples, features=np.empty((0, width), np.float32))
    if not isinstance(features, SparseMatrix):
        if samples.width == width:
            return samples
        raise ClientError(
            f"{samples.place_of(0)} has {samples.width} features, but channel train has {width}. "
            "Give both channels the same columns."
        )
    known = features.indices < width
    if known.all():
        return replace(samples, features=replace(features, width=width))
    kept = np.concatenate([[0], np.cumsum(known)])
    narrow = SparseMatrix(kept[features.starts], features.indices[known], features.values[known], width)
    return replace(samples, features=narrow)


def join(one: Samples, other: Samples) -> Samples:
    """The rows of two channels of one width. Raises ClientError where one is sparse and the other is not."""
    features: Floats | SparseMatrix
    if isinstance(one.features, SparseMatrix) and isinstance(other.features, SparseMatrix):
        features = one.features.concatenate(other.features)
    elif isinstance(one.features, SparseMatrix) or isinstance(other.features, SparseMatrix):
        raise ClientError(f"Channels {one.reader.name} and {other.reader.name} must both be sparse, or neither.")
    else:
        features = np.concatenate([one.features, other.features])
    weights = None
    if one.weights is not None or other.weights is not None:
        weights = np.concatenate(
            [np.ones(len(part)) if part.weights is None else part.weights for part in (one, other)]
        )
    return Samples(one.reader, one.sources, features, np.concatenate([one.labels, other.labels]), weights)


def check(samples: Samples, objective: str, classes: int) -> None:
    """Raise ClientError at the first label that the objective does not take, and at the first infinite feature."""
    labels = samples.labels
    missing = ~np.isfinite(labels)
    if missing.any():
        row = int(missing.argmax())
        raise ClientError(f"{samples.place_of(row)}: the label is missing or infinite. Remove the row, or correct it.")
    if objective.startswith("multi:"):
        right = (labels >= 0) & (labels < classes) & (labels == np.floor(labels))
        words = f"a class from 0 to {classes - 1} (num_class)"
    else:
        is_right, words = next((rule for name, rule in RANGES.items() if objective.startswith(name)), (np.isfinite, ""))
        right = is_right(labels)
    if not right.all():
        row = int((~right).argmax())
        raise ClientError(
            f"{samples.place_of(row)}: the label {labels[row]:g} is not {words}, as objective {objective} requires. "
            "Correct the labels, or choose another objective."
        )
    values = samples.features.values if isinstance(samples.features, SparseMatrix) else samples.features
    if np.isinf(values.min(initial=0)) or np.isinf(values.max(initial=0)) or np.isnan(values.max(initial=0)):
        _check_infinite(samples, values)


def _check_infinite(samples: Samples, values: NDArray[np.float32]) -> None:
    infinite = np.isinf(values)
    if not infinite.any():
        return
    at = int(infinite.any(axis=-1).argmax() if values.ndim > 1 else infinite.argmax())
    row = (
        int(np.searchsorted(samples.features.starts, at, "right")) - 1
        if isinstance(samples.features, SparseMatrix)
        else at
    )
    raise ClientError(
        f"{samples.place_of(row)} has a feature that is infinite (as float32). Remove the row, or replace the value."
    )


def matrix(samples: Samples, objective: str, threads: int) -> Matrix:
    """The rows as XGBoost takes them."""
    made = Matrix(samples.features, threads)
    if not len(samples):
        return made
    labels = samples.labels.astype(np.float32)
    made.set("label", labels)
    if objective == "survival:aft":  # no label is censored
        made.set("label_lower_bound", labels)
        made.set("label_upper_bound", labels)
    if samples.weights is not None:
        made.set("weight", samples.weights.astype(np.float32))
    if samples.queries is not None:
        made.set("qid", samples.queries.astype(np.uint32))
    return made
