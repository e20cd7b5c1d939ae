"""Arrays to bodies and back: JSON, CSV and NPY."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

from lowcloud_toolkit import content_types
from lowcloud_toolkit.errors import UnsupportedFormatError


def array_to_npy(array_like: Any) -> bytes:
    """Return an array in the format of numpy.save."""
    import numpy as np

    target = io.BytesIO()
    np.save(target, np.asarray(array_like), allow_pickle=False)
    return target.getvalue()


def npy_to_numpy(npy_array: bytes) -> Any:
    """Return the array in a body of numpy.save's format."""
    import numpy as np

    return np.load(io.BytesIO(npy_array), allow_pickle=False)


def npz_to_sparse(npz_bytes: bytes) -> Any:
    """Return the sparse matrix in a body of scipy.sparse.save_npz's format."""
    from scipy.sparse import load_npz

    return load_npz(io.BytesIO(npz_bytes))


def array_to_json(array_like: Any) -> str:
    """Return an array, or a structure that contains arrays, as JSON."""
    return json.dumps(array_like, default=_to_list)


def json_to_numpy(string_like: str | bytes, dtype: Any = None) -> Any:
    """Return the array in a JSON list of numbers or lists."""
    import numpy as np

    return np.array(json.loads(string_like), dtype=dtype)


def array_to_csv(array_like: Any) -> str:
    """Return an array of one or two dimensions as CSV, a row for each item of the first."""
    import numpy as np

    target = io.StringIO()
    np.savetxt(target, np.atleast_1d(np.asarray(array_like)), delimiter=",", fmt="%s")
    return target.getvalue()


def csv_to_numpy(string_like: str | bytes, dtype: Any = None) -> Any:
    """Return the array in CSV without a header; one row or one column give one dimension."""
    import numpy as np

    text = string_like.decode() if isinstance(string_like, bytes) else string_like
    return np.genfromtxt(io.StringIO(text), dtype=float if dtype is None else dtype, delimiter=",")


ENCODERS: dict[str, Callable[[Any], Any]] = {
    content_types.NPY: array_to_npy,
    content_types.CSV: array_to_csv,
    content_types.JSON: array_to_json,
}
DECODERS: dict[str, Callable[[Any], Any]] = {
    content_types.NPY: npy_to_numpy,
    content_types.CSV: csv_to_numpy,
    content_types.JSON: json_to_numpy,
    content_types.NPZ: npz_to_sparse,
}


SUPPORTED_CONTENT_TYPES = tuple(ENCODERS)


def encode(array_like: Any, content_type: str) -> Any:
    """Return an array in a content type. Raises UnsupportedFormatError."""
    try:
        encoder = ENCODERS[media_type(content_type)]
    except KeyError:
        raise UnsupportedFormatError(content_type, status_code=406) from None
    return encoder(array_like)


def decode(obj: Any, content_type: str) -> Any:
    """Return the array in a body of a content type. Raises UnsupportedFormatError."""
    try:
        decoder = DECODERS[media_type(content_type)]
    except KeyError:
        raise UnsupportedFormatError(content_type) from None
    return decoder(obj)


def media_type(content_type: str) -> str:
    """Return a content type without its parameters, such as a charset."""
    return content_type.partition(";")[0].strip().lower()


def _to_list(value: Any) -> Any:
    if hasattr(value, "toarray"):  # a sparse matrix
        return value.toarray().tolist()
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} cannot be encoded as JSON")
