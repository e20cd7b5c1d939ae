"""A dense training table in memory: a float32 matrix that grows without being copied, and its labels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.errors import ClientError


class DenseTable:
    """The rows of a channel: `features` (rows, features) float32, `labels` (rows,) float64, and their source files."""

    def __init__(self, feature_dim: int | None = None, empty: float | None = None, names: tuple[str, ...] = ()):
        """`empty` is the value of empty cells, e.g. NaN if the algorithm supports missing values; None forbids them.

        `names` are those of the columns of another channel, the label first, by which named columns are matched.
        """
        self.empty = empty
        self.names = names  # of the label and the features; () if no file has names
        self.columns: int | None = None  # in a file: the label and the features
        self.features: NDArray[np.float32] = np.empty((0, feature_dim or 0), np.float32)
        self.labels: NDArray[np.float64] = np.empty(0)
        self.sources: list[tuple[int, str]] = []  # (first row, file)
        self.is_surely_finite = True
        self._feature_dim = feature_dim

    def __len__(self) -> int:
        return len(self.labels)

    def set_columns(self, columns: int, place: str) -> None:
        """Set the number of columns, found at `place`. Raises ClientError if it contradicts feature_dim."""
        if columns < 2:
            raise ClientError(f"{place} has one column. Each row needs a label and at least one feature after it.")
        self.set_width(columns - 1, f"{place} has {columns} columns: the label and", "columns")

    def set_width(self, features: int | None, place: str, unit: str = "features") -> None:
        """Set the number of features; None takes feature_dim. Raises ClientError if they differ or neither is known."""
        if features is None and self._feature_dim is None:
            raise ClientError(f"{place} is sparse and does not contain its length. Set the hyperparameter feature_dim.")
        features = features or self._feature_dim or 0
        if features != (self._feature_dim or features):
            raise ClientError(
                f"{place} {'has ' if unit == 'features' else ''}{features} features, but feature_dim is "
                f"{self._feature_dim}. Set feature_dim to {features}, or correct the data."
            )
        self.columns = features + 1
        self.features = np.empty((0, features), np.float32)

    def match(self, names: Sequence[str], source: str) -> list[str]:
        """Return the names of a source's columns in the table's order. Raises ClientError for other names.

        The first source with names determines them.
        """
        self.names = self.names or tuple(names)
        lacking = [name for name in self.names if name not in names]
        unknown = [name for name in names if name not in self.names]
        if lacking or unknown:
            what = f"does not have the column {lacking[0]!r}" if lacking else f"has the unknown column {unknown[0]!r}"
            raise ClientError(
                f"{source} {what}; the columns of the data before it are {', '.join(self.names[:50])}. "
                "Give all files and channels the same columns, in any order."
            )
        return list(self.names)

    def reorder(self, names: tuple[str, ...], source: str) -> None:
        """Put the features of a table with names into the order of these names. Raises ClientError for other names."""
        if self.names and names != self.names:
            own, self.names = self.names, names
            self.match(own, source)
            if own[0] != names[0]:
                raise ClientError(
                    f"{source} has the label {own[0]!r}, not {names[0]!r}. Put the label first everywhere."
                )
            self.features = self.features[:, [own.index(name) - 1 for name in names[1:]]]
        self.names = names

    def keep(self, rows: slice) -> None:
        """Drop all other rows."""
        if rows != slice(0, len(self)):
            self.features, self.labels = self.features[rows].copy(), self.labels[rows].copy()

    def append(self, features: NDArray[Any], labels: NDArray[Any], source: str) -> None:
        """Append rows (rows, features) with labels (rows,)."""
        if not self.sources or self.sources[-1][1] != source:
            self.sources.append((len(self), source))
        start = len(self)
        # resize in place: the C library moves the pages of a large block instead of copying it.
        self.features.resize((start + len(labels), self.features.shape[1]), refcheck=False)
        self.labels.resize(start + len(labels), refcheck=False)
        with np.errstate(over="ignore"):
            self.features[start:] = features
        self.labels[start:] = labels
        with np.errstate(over="ignore", invalid="ignore"):  # a sum is cheap and proves most tables finite
            self.is_surely_finite &= bool(np.isfinite(self.features[start:].sum() + self.labels[start:].sum()))

    def source_of(self, row: int) -> tuple[str, int]:
        """Return the file of a row, and the row's index in it."""
        first, source = max(entry for entry in self.sources if entry[0] <= row)
        return source, row - first
