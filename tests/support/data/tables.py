"""Tables in the formats of training channels: CSV and RecordIO-protobuf."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.formats.recordio import encode


def csv_of(rows: Sequence[Sequence[float]] | NDArray[np.floating[Any]]) -> bytes:
    """Return rows as CSV without a header."""
    return "".join(",".join(f"{value:.9g}" for value in row) + "\n" for row in rows).encode()


def encode_table(x: NDArray[np.float32], y: NDArray[np.float32] | None) -> bytes:
    """Return a matrix (rows, features) and its labels (rows,) as framed records."""
    labels: Iterable[dict[str, NDArray[np.float32]]] = (
        ({} for _ in x) if y is None else ({"values": y[i : i + 1]} for i in range(len(y)))
    )
    return b"".join(encode(row, label) for row, label in zip(x, labels, strict=True))
