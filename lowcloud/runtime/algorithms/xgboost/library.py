"""XGBoost's C library, called without its Python package, whose import takes a second and a hundred megabytes.

The functions are those of XGBoost's C API (include/xgboost/c_api.h, versions 2.1 to 3); arrays are passed as NumPy's
array interface in JSON. Loading starts no threads; the first computation starts those of OpenMP.
"""

import ctypes
import importlib.util
import json
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.errors import ClientError

LIBRARY_NAMES = {"darwin": "libxgboost.dylib", "win32": "xgboost.dll"}
Array = NDArray[Any]


class XGBoostLibraryError(Exception):
    """A call of XGBoost has failed; the message is XGBoost's, without the stack trace."""


@cache
def load() -> ctypes.CDLL:
    """Load the library of the installed package. Raises ClientError if it is not installed."""
    path = find()
    if path is None:
        raise ClientError("XGBoost is not installed in this environment. Install it: pip install 'lowcloud[xgboost]'.")
    library = ctypes.CDLL(str(path))
    library.XGBGetLastError.restype = ctypes.c_char_p
    return library


def find() -> Path | None:
    """Return the path of the library, or None if it is not installed."""
    spec = importlib.util.find_spec("xgboost")
    name = LIBRARY_NAMES.get(sys.platform, "libxgboost.so")
    folders = (spec.submodule_search_locations or ()) if spec else ()
    paths = (Path(folder) / subfolder / name for folder in folders for subfolder in ("lib", ""))
    return next((path for path in paths if path.is_file()), None)


def call(name: str, *arguments: Any) -> None:
    """Call a function of the library with ctypes values, bytes or None. Raises XGBoostLibraryError."""
    if getattr(load(), name)(*arguments):
        raise last_error()


def last_error() -> XGBoostLibraryError:
    """Return the error of the last failed call."""
    return XGBoostLibraryError(_extract_message(load().XGBGetLastError().decode(errors="replace")))


def _extract_message(message: str) -> str:
    """Return the text in XGBoost's message "[time] file:line: text\\nStack trace: ..."."""
    text = message.partition("\nStack trace")[0].strip()
    if text.startswith("["):
        text = text.partition(": ")[2]
    if text.startswith("Check failed: "):  # followed by the failed C++ expression
        text = text.removeprefix("Check failed: ").partition(": ")[2] or text
    return text


def options(**values: Any) -> bytes:
    """Encode a configuration argument."""
    return json.dumps(values).encode()


def array_interface(array: Array) -> bytes:
    """Encode an array as an argument; the array must exist until the call returns."""
    description = array.__array_interface__
    strides = description["strides"]
    return json.dumps(
        {
            "data": (description["data"][0], True),
            "shape": description["shape"],
            "strides": strides,
            "typestr": description["typestr"],
            "version": 3,
        }
    ).encode()


def copy_floats(shape: "ctypes._Pointer[ctypes.c_uint64]", dimensions: int, data: Any) -> NDArray[np.float32]:
    """Copy a result that the library owns."""
    sizes = tuple(shape[i] for i in range(dimensions))
    count = int(np.prod(sizes))
    if not count:
        return np.empty(sizes, np.float32)
    return np.ctypeslib.as_array(data, (count,)).reshape(sizes).copy()


def has_gpu_support() -> bool:
    """Return whether this build can train on CUDA devices."""
    text = ctypes.c_char_p()
    call("XGBuildInfo", ctypes.byref(text))
    return bool(json.loads(text.value or b"{}").get("USE_CUDA"))
