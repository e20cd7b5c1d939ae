"""SparseMatrix rows in memory: what libsvm and sparse RecordIO hold, where a value that is not written is missing."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SparseMatrix:
    """Rows in compressed form: row i has values[starts[i]:starts[i + 1]] at the columns of the same `indices`."""

    starts: NDArray[np.int64]  # (rows + 1,)
    indices: NDArray[np.int32]
    values: NDArray[np.float32]
    width: int

    def __len__(self) -> int:
        return len(self.starts) - 1

    def followed_by(self, other: "SparseMatrix") -> "SparseMatrix":
        """These rows and then others of the same width."""
        starts = np.concatenate([self.starts, other.starts[1:] + self.starts[-1]])
        indices, values = (np.concatenate([self.indices, other.indices]), np.concatenate([self.values, other.values]))
        return SparseMatrix(starts, indices, values, self.width)


@dataclass(frozen=True)
class SparseRows:
    """Some rows: how many values each has, and the values; weights and queries (groups to rank) a row, if given."""

    counts: NDArray[np.int64]
    indices: NDArray[np.integer[Any]]
    values: NDArray[np.floating[Any]]
    labels: NDArray[np.float64]
    weights: NDArray[np.float64] | None = None
    queries: NDArray[np.int64] | None = None


class SparseTable:
    """Rows of a channel, and where they came from. Grows by blocks, which are joined once at the end."""

    def __init__(self) -> None:
        self.width = 0  # one more than the greatest column met, or what the data says of itself
        self.sources: list[tuple[int, str]] = []  # (first row, file)
        self._rows = 0
        self._parts: list[SparseRows] = []

    def __len__(self) -> int:
        return self._rows

    def append(self, rows: SparseRows, source: str, width: int = 0) -> None:
        """Add rows of a file, whose width the data may say."""
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
        """All rows, as so many columns wide."""
        starts = np.zeros(self._rows + 1, np.int64)
        np.cumsum(self._joined("counts"), out=starts[1:])
        return SparseMatrix(starts, self._joined("indices"), self._joined("values"), width)

    @property
    def labels(self) -> NDArray[np.float64]:
        return np.asarray(self._joined("labels"))

    @property
    def weights(self) -> NDArray[np.float64] | None:
        """A weight a row, 1 where none was given; None where no row has one."""
        return self._optional("weights", 1)

    @property
    def queries(self) -> NDArray[np.int64] | None:
        """The group of each row; None where no row has one."""
        return self._optional("queries", 0)

    def _joined(self, name: str) -> NDArray[Any]:
        parts = [getattr(part, name) for part in self._parts]
        empty = {"counts": np.int64, "indices": np.int32, "values": np.float32}.get(name, np.float64)
        return np.concatenate(parts) if parts else np.empty(0, empty)

    def _optional(self, name: str, default: float) -> NDArray[Any] | None:
        given = [getattr(part, name) for part in self._parts]
        if all(part is None for part in given):
            return None
        filled = [
            np.full(len(rows.labels), default) if part is None else part
            for rows, part in zip(self._parts, given, strict=True)
        ]
        return np.concatenate(filled)
