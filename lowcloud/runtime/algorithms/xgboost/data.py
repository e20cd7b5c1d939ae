"""The rows of xgboost's channels: read in any supported format, validated, and converted to matrices."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.algorithms.xgboost.booster import Floats, Matrix
from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.formats import csv, libsvm, parquet, recordio_channel
from lowcloud.runtime.formats.channel import CSV, LIBSVM, PARQUET, RECORDIO, ChannelReader
from lowcloud.runtime.formats.sparse import SparseMatrix, SparseTable
from lowcloud.runtime.formats.table import DenseTable

if TYPE_CHECKING:
    from lowcloud.runtime.training_run import TrainingRun

CSV_DELIMITERS = b";\t|"  # in addition to the comma
MISSING = float("nan")
Labels = NDArray[np.float64]

# The valid labels of objectives, as a function and in words.
LABEL_RULES: dict[str, tuple[Callable[[Labels], NDArray[np.bool_]], str]] = {
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
    """The rows of one channel on one host: features (rows, features); NaN and absent sparse values are missing."""

    reader: ChannelReader
    sources: list[tuple[int, str]]
    features: Floats | SparseMatrix
    labels: Labels
    weights: NDArray[np.floating[Any]] | None = None
    queries: NDArray[np.integer[Any]] | None = None
    names: tuple[str, ...] = ()  # of the label and the features, if the data has names

    def __len__(self) -> int:
        return len(self.labels)

    def describe_row(self, row: int) -> str:
        """Describe where a row comes from, for messages."""
        first, source = max(entry for entry in self.sources if entry[0] <= row)
        return self.reader.describe_position(source, row - first)

    @property
    def width(self) -> int:
        return self.features.width if isinstance(self.features, SparseMatrix) else self.features.shape[1]


def read(run: "TrainingRun", channel: str, names: tuple[str, ...] = ()) -> Samples:
    """Read all rows of a channel, in columns of these names if it has any.

    Raises ClientError naming file, line or record, and what to do.
    """
    reader = run.channels[channel]
    dense, sparse = DenseTable(empty=MISSING, names=names), SparseTable()
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
        raise ClientError(f"Channel {reader.name} mixes sparse (libsvm) and dense files. Use one format.")
    run.agree_on_names(channel, dense)
    if len(sparse):
        features = sparse.features(sparse.width)
        return Samples(reader, sparse.sources, features, sparse.labels, sparse.weights, sparse.queries)
    return Samples(reader, dense.sources, dense.features, dense.labels, names=dense.names)


def take(samples: Samples, rows: slice) -> Samples:
    """Return some consecutive rows, which describe_row no longer finds."""
    if rows == slice(0, len(samples)):
        return samples
    features: Floats | SparseMatrix
    if isinstance(samples.features, SparseMatrix):
        features = samples.features.take(rows)
    else:
        features = samples.features[rows].copy()
    return replace(
        samples,
        features=features,
        labels=samples.labels[rows],
        weights=None if samples.weights is None else samples.weights[rows],
        queries=None if samples.queries is None else samples.queries[rows],
    )


def split_off_weights(samples: Samples) -> Samples:
    """Use the first feature column as the rows' weights, for csv_weights. Raises ClientError."""
    if isinstance(samples.features, SparseMatrix) or not len(samples):
        return samples
    weights = samples.features[:, 0].copy()
    bad = ~(weights >= 0)
    if bad.any():
        row = int(bad.argmax())
        raise ClientError(
            f"{samples.describe_row(row)}, column 2: the weight {weights[row]:g} is negative or not a number, but "
            "csv_weights is set. Correct it, or remove csv_weights."
        )
    if samples.width < 2:
        raise ClientError(f"{samples.describe_row(0)} has no features: only a label and the weight of csv_weights.")
    names = (*samples.names[:1], *samples.names[2:])
    return replace(samples, features=samples.features[:, 1:], weights=weights, names=names)


def adapt_width(samples: Samples, width: int) -> Samples:
    """Return the rows with this number of features. Columns unknown to training are dropped from sparse rows.

    Raises ClientError if dense rows have another number.
    """
    features = samples.features
    if not len(samples):
        return replace(samples, features=np.empty((0, width), np.float32))
    if not isinstance(features, SparseMatrix):
        if samples.width == width:
            return samples
        raise ClientError(
            f"{samples.describe_row(0)} has {samples.width} features, but channel train has {width}. "
            "Give both channels the same columns."
        )
    known = features.indices < width
    if known.all():
        return replace(samples, features=replace(features, width=width))
    kept = np.concatenate([[0], np.cumsum(known)])
    narrow = SparseMatrix(kept[features.starts], features.indices[known], features.values[known], width)
    return replace(samples, features=narrow)


def concatenate(one: Samples, other: Samples) -> Samples:
    """Concatenate two channels of the same width. Raises ClientError if only one of them is sparse."""
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
    """Raise ClientError at the first label that is invalid for the objective, and at the first infinite feature."""
    labels = samples.labels
    missing = ~np.isfinite(labels)
    if missing.any():
        row = int(missing.argmax())
        raise ClientError(
            f"{samples.describe_row(row)}: the label is missing or infinite. Remove the row or correct it."
        )
    if objective.startswith("multi:"):
        is_valid = (labels >= 0) & (labels < classes) & (labels == np.floor(labels))
        description = f"a class from 0 to {classes - 1} (num_class)"
    else:
        is_valid_label, description = next(
            (rule for name, rule in LABEL_RULES.items() if objective.startswith(name)), (np.isfinite, "")
        )
        is_valid = is_valid_label(labels)
    if not is_valid.all():
        row = int((~is_valid).argmax())
        raise ClientError(
            f"{samples.describe_row(row)}: the label {labels[row]:g} is not {description}, as objective "
            f"{objective} requires. Correct the labels, or choose another objective."
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
        f"{samples.describe_row(row)} has a feature that is infinite as float32. Remove the row or replace the value."
    )


def build_matrix(samples: Samples, objective: str, threads: int) -> Matrix:
    """Convert the rows to XGBoost's matrix."""
    matrix = Matrix(samples.features, threads)
    if not len(samples):
        return matrix
    labels = samples.labels.astype(np.float32)
    matrix.set("label", labels)
    if objective == "survival:aft":  # labels are not censored
        matrix.set("label_lower_bound", labels)
        matrix.set("label_upper_bound", labels)
    if samples.weights is not None:
        matrix.set("weight", samples.weights.astype(np.float32))
    if samples.queries is not None:
        matrix.set("qid", samples.queries.astype(np.uint32))
    return matrix
