"""Sparse rows in memory, as read from libsvm and sparse RecordIO; a value that is not stored is missing."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SparseMatrix:
    """A CSR matrix: row i has values[starts[i]:starts[i + 1]] in the columns indices[starts[i]:starts[i + 1]]."""

    starts: NDArray[np.int64]  # (rows + 1,)
    indices: NDArray[np.int32]
    values: NDArray[np.float32]
    width: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    def take(self, rows: slice) -> "SparseMatrix":
        """Return consecutive rows."""
        starts = self.starts[rows.start : rows.stop + 1]
        entries = slice(int(starts[0]), int(starts[-1]))
        return SparseMatrix(starts - starts[0], self.indices[entries].copy(), self.values[entries].copy(), self.width)

    def concatenate(self, other: "SparseMatrix") -> "SparseMatrix":
        """Return these rows followed by others of the same width."""
        starts = np.concatenate([self.starts, other.starts[1:] + self.starts[-1]])
        indices, values = (np.concatenate([self.indices, other.indices]), np.concatenate([self.values, other.values]))
        return SparseMatrix(starts, indices, values, self.width)


@dataclass(frozen=True)
class SparseRows:
    """Rows as read: the count of values of each, all columns and values, and optionally weights and ranking groups."""

    counts: NDArray[np.int64]
    indices: NDArray[np.integer[Any]]
    values: NDArray[np.floating[Any]]
    labels: NDArray[np.float64]
    weights: NDArray[np.float64] | None = None
    queries: NDArray[np.int64] | None = None


class SparseTable:
    """The rows of a channel and their source files. It grows by blocks, which are concatenated at the end."""

    def __init__(self) -> None:
        self.width = 0  # one more than the largest column, or a larger width given in the data
        self.sources: list[tuple[int, str]] = []  # (first row, file)
        self._rows = 0
        self._parts: list[SparseRows] = []

    def __len__(self) -> int:
        return self._rows

    def append(self, rows: SparseRows, source: str, width: int = 0) -> None:
        """Append rows of a file, with the width if the data contains it."""
        if not self.sources or self.sources[-1][1] != source:
            self.sources.append((self._rows, source))
        self._rows += len(rows.labels)
        self.width = max(self.width, width, int(rows.indices.max()) + 1 if len(rows.indices) else 0)
        with np.errstate(over="ignore"):
            values = rows.values.astype(np.float32)
        self._parts.append(
            SparseRows(rows.counts, rows.indices.astype(np.int32), values, rows.labels, rows.weights, rows.queries)
        )

    def features(self, width: int) -> SparseMatrix:
        """Return all rows as a matrix with this number of columns."""
        starts = np.zeros(self._rows + 1, np.int64)
        np.cumsum(self._concatenated("counts"), out=starts[1:])
        return SparseMatrix(starts, self._concatenated("indices"), self._concatenated("values"), width)

    @property
    def has_groups(self) -> bool | None:
        """Whether the rows have ranking groups; None if there are no rows."""
        return self._parts[0].queries is not None if self._parts else None

    @property
    def labels(self) -> NDArray[np.float64]:
        return np.asarray(self._concatenated("labels"))

    @property
    def weights(self) -> NDArray[np.float64] | None:
        """The weight of each row, 1 where it has none; None if no row has one."""
        return self._optional("weights", 1)

    @property
    def queries(self) -> NDArray[np.int64] | None:
        """The ranking group of each row; None if no row has one."""
        return self._optional("queries", 0)

    def _concatenated(self, name: str) -> NDArray[Any]:
        parts = [getattr(part, name) for part in self._parts]
        empty = {"counts": np.int64, "indices": np.int32, "values": np.float32}.get(name, np.float64)
        return np.concatenate(parts) if parts else np.empty(0, empty)

    def _optional(self, name: str, default: float) -> NDArray[Any] | None:
        arrays = [getattr(part, name) for part in self._parts]
        if all(array is None for array in arrays):
            return None
        filled = [
            np.full(len(rows.labels), default) if array is None else array
            for rows, array in zip(self._parts, arrays, strict=True)
        ]
        return np.concatenate(filled)
