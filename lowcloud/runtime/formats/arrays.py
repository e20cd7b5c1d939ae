"""Arrays in requests and responses, in the formats that every SageMaker framework container supports."""

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
    """Decode the array in a request body. Raises BadRequestError and UnsupportedMediaTypeError."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in DECODERS:
        raise UnsupportedMediaTypeError(
            f"Content type {content_type[:80]!r} is not supported. Send {', '.join(DECODERS)}, or write an input_fn."
        )
    try:
        return DECODERS[media_type](body.encode() if isinstance(body, str) else body)
    except (ValueError, EOFError) as error:
        raise BadRequestError(f"The request is not valid {media_type}: {error}.") from error


def encode(output: Any, accept: str) -> tuple[bytes, str]:
    """Encode a model's output in the first supported of the accepted content types; return body and content type.

    Raises NotAcceptableError.
    """
    for entry in accept.split(","):
        media_type = entry.partition(";")[0].strip().lower()
        media_type = (
            JSON if media_type in ("", "*/*", "application/*") else CSV if media_type == "text/*" else media_type
        )
        if media_type in ENCODERS:
            return ENCODERS[media_type](output), media_type
    raise NotAcceptableError(
        f"No response can be sent as {accept[:80]!r}. Accept one of {', '.join(ENCODERS)}, or write an output_fn."
    )


def _decode_csv(body: bytes) -> Array:
    """Return an array (rows, columns)."""
    return np.genfromtxt(io.StringIO(body.decode()), delimiter=",", ndmin=2)


def _decode_npy(body: bytes) -> Array:
    return np.load(io.BytesIO(body), allow_pickle=False)  # type: ignore[no-any-return]


def _encode_csv(output: Any) -> bytes:
    target = io.StringIO()
    array = np.asarray(output)
    np.savetxt(target, np.atleast_1d(array), delimiter=",", fmt="%s")
    return target.getvalue().encode()


def _encode_npy(output: Any) -> bytes:
    target = io.BytesIO()
    np.save(target, np.asarray(output), allow_pickle=False)
    return target.getvalue()


def _to_json(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} cannot be encoded as JSON; write an output_fn")


DECODERS: dict[str, Callable[[bytes], Array]] = {
    CSV: _decode_csv,
    JSON: lambda body: np.array(json.loads(body)),
    NPY: _decode_npy,
}
ENCODERS: dict[str, Callable[[Any], bytes]] = {
    JSON: lambda output: json.dumps(output, default=_to_json).encode(),
    CSV: _encode_csv,
    NPY: _encode_npy,
}
