"""XGBoost's C library, called without its Python package, whose import costs a second and a hundred megabytes.

The calls are those of XGBoost's C API (include/xgboost/c_api.h, versions 2.1 to 3), arrays go in as NumPy's array
interface in JSON. Loading starts no thread; the first computation starts those of OpenMP.
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

NAMES = {"darwin": "libxgboost.dylib", "win32": "xgboost.dll"}
Array = NDArray[Any]


class XGBoostLibraryError(Exception):
    """XGBoost refused a call; the message is its own, without the stack."""


@cache
def load() -> ctypes.CDLL:
    """The library of the installed package. Raises ClientError where there is none."""
    path = find()
    if path is None:
        raise ClientError("XGBoost is not installed where this runs. Install it: pip install 'lowcloud[xgboost]'.")
    library = ctypes.CDLL(str(path))
    library.XGBGetLastError.restype = ctypes.c_char_p
    return library


def find() -> Path | None:
    """Where the library lies, if it is installed."""
    found = importlib.util.find_spec("xgboost")
    name = NAMES.get(sys.platform, "libxgboost.so")
    places = (found.submodule_search_locations or ()) if found else ()
    paths = (Path(place) / folder / name for place in places for folder in ("lib", ""))
    return next((path for path in paths if path.is_file()), None)


def call(name: str, *arguments: Any) -> None:
    """Call a function of the library, arguments being ctypes values, bytes or None. Raises Failed."""
    if getattr(load(), name)(*arguments):
        raise failure()


def failure() -> XGBoostLibraryError:
    """Why the last call failed."""
    return XGBoostLibraryError(_reason(load().XGBGetLastError().decode(errors="replace")))


def _reason(message: str) -> str:
    """The sentence in XGBoost's message: "[time] file:line: sentence\\nStack trace: ..."."""
    said = message.partition("\nStack trace")[0].strip()
    if said.startswith("["):
        said = said.partition(": ")[2]
    if said.startswith("Check failed: "):  # and then the C++ that failed
        said = said.removeprefix("Check failed: ").partition(": ")[2] or said
    return said


def options(**values: Any) -> bytes:
    """A configuration argument."""
    return json.dumps(values).encode()


def interface(array: Array) -> bytes:
    """An array as an argument; it must live until the call returns."""
    described = array.__array_interface__
    strides = described["strides"]
    return json.dumps(
        {
            "data": (described["data"][0], True),
            "shape": described["shape"],
            "strides": strides,
            "typestr": described["typestr"],
            "version": 3,
        }
    ).encode()


def floats(shape: "ctypes._Pointer[ctypes.c_uint64]", dimensions: int, data: Any) -> NDArray[np.float32]:
    """A copy of a result that the library owns."""
    sizes = tuple(shape[i] for i in range(dimensions))
    count = int(np.prod(sizes))
    if not count:
        return np.empty(sizes, np.float32)
    return np.ctypeslib.as_array(data, (count,)).reshape(sizes).copy()


def has_gpu_support() -> bool:
    """Whether this build can train on CUDA devices."""
    text = ctypes.c_char_p()
    call("XGBuildInfo", ctypes.byref(text))
    return bool(json.loads(text.value or b"{}").get("USE_CUDA"))
