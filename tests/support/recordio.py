"""Tables as SageMaker's RecordIO-protobuf, for tests to send."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.formats.recordio import encode


def encode_table(x: NDArray[np.float32], y: NDArray[np.float32] | None) -> bytes:
    """Framed records of a matrix (rows, features) and labels (rows,)."""
    labels: Iterable[dict[str, NDArray[np.float32]]] = (
        ({} for _ in x) if y is None else ({"values": y[i : i + 1]} for i in range(len(y)))
    )
    return b"".join(encode(row, label) for row, label in zip(x, labels, strict=True))
