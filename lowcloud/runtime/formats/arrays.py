"""Arrays in requests and answers, in the formats that every SageMaker framework container reads and writes."""

import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.formats import BadRequestError, NotAcceptableError, UnsupportedMediaTypeError

CSV = "text/csv"
JSON = "application/json"
NPY = "application/x-npy"
TEXT_TYPES = (CSV, JSON)

Array = NDArray[Any]


def decode(body: str | bytes, content_type: str) -> Array:
    """The array in a body. Raises BadRequestError and UnsupportedMediaTypeError."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in DECODERS:
        raise UnsupportedMediaTypeError(
            f"Content type {content_type[:80]!r} is not read here; send {', '.join(DECODERS)}, or write an input_fn."
        )
    try:
        return DECODERS[kind](body.encode() if isinstance(body, str) else body)
    except (ValueError, EOFError) as error:
        raise BadRequestError(f"The request is not readable as {kind}: {error}.") from error


def encode(answer: Any, accept: str) -> tuple[bytes, str]:
    """The body of an answer and its content type, the first accepted one that is written. Raises NotAcceptableError."""
    for entry in accept.split(","):
        kind = entry.partition(";")[0].strip().lower()
        kind = JSON if kind in ("", "*/*", "application/*") else CSV if kind == "text/*" else kind
        if kind in ENCODERS:
            return ENCODERS[kind](answer), kind
    raise NotAcceptableError(
        f"No answer can be given as {accept[:80]!r}; accept one of {', '.join(ENCODERS)}, or write an output_fn."
    )


def _decode_csv(body: bytes) -> Array:
    """(rows, columns)."""
    return np.genfromtxt(io.StringIO(body.decode()), delimiter=",", ndmin=2)


def _decode_npy(body: bytes) -> Array:
    return np.load(io.BytesIO(body), allow_pickle=False)  # type: ignore[no-any-return]


def _encode_csv(answer: Any) -> bytes:
    target = io.StringIO()
    array = np.asarray(answer)
    np.savetxt(target, np.atleast_1d(array), delimiter=",", fmt="%s")
    return target.getvalue().encode()


def _encode_npy(answer: Any) -> bytes:
    target = io.BytesIO()
    np.save(target, np.asarray(answer), allow_pickle=False)
    return target.getvalue()


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} has no form in JSON; write an output_fn")


DECODERS: dict[str, Callable[[bytes], Array]] = {
    CSV: _decode_csv,
    JSON: lambda body: np.array(json.loads(body)),
    NPY: _decode_npy,
}
ENCODERS: dict[str, Callable[[Any], bytes]] = {
    JSON: lambda answer: json.dumps(answer, default=_plain).encode(),
    CSV: _encode_csv,
    NPY: _encode_npy,
}
