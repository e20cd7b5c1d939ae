"""XGBoost's data matrices and boosters: handles of its C library with the calls needed here."""

import ctypes
import json
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.algorithms.xgboost import library
from lowcloud.runtime.algorithms.xgboost.library import array_interface, call, options
from lowcloud.runtime.formats.sparse import SparseMatrix

Floats = NDArray[np.float32]
MISSING = float("nan")
NAMES = "lowcloud_columns"  # an attribute, because a matrix without XGBoost's own feature names would be refused


class Matrix:
    """A DMatrix of XGBoost, from dense rows (rows, features) float32 with NaN for missing values, or sparse rows."""

    def __init__(self, features: Floats | SparseMatrix | ctypes.c_void_p, threads: int = 0):
        self.handle = features if isinstance(features, ctypes.c_void_p) else _create(features, threads)
        weakref.finalize(self, call, "XGDMatrixFree", self.handle)

    def set(self, field: str, values: NDArray[Any]) -> None:
        """Set label, weight, qid, label_lower_bound or label_upper_bound, one value per row."""
        values = np.ascontiguousarray(values)
        call("XGDMatrixSetInfoFromInterface", self.handle, field.encode(), array_interface(values))

    def take(self, rows: NDArray[np.int32]) -> "Matrix":
        """Return a matrix of these rows."""
        handle = ctypes.c_void_p()
        rows = np.ascontiguousarray(rows, np.int32)
        pointer = rows.ctypes.data_as(ctypes.POINTER(ctypes.c_int))
        call("XGDMatrixSliceDMatrixEx", self.handle, pointer, ctypes.c_uint64(len(rows)), ctypes.byref(handle), 1)
        return Matrix(handle)

    def __len__(self) -> int:
        count = ctypes.c_uint64()
        call("XGDMatrixNumRow", self.handle, ctypes.byref(count))
        return count.value


def _create(features: Floats | SparseMatrix, threads: int) -> ctypes.c_void_p:
    handle = ctypes.c_void_p()
    config = options(missing=MISSING, nthread=threads)
    if isinstance(features, SparseMatrix):
        parts = [array_interface(part) for part in (features.starts, features.indices, features.values)]
        call("XGDMatrixCreateFromCSR", *parts, ctypes.c_uint64(features.width), config, ctypes.byref(handle))
    else:
        call("XGDMatrixCreateFromDense", array_interface(features), config, ctypes.byref(handle))
    return handle


class Booster:
    """A model and its training parameters, which are XGBoost's; a name may occur several times (eval_metric)."""

    def __init__(self, parameters: Iterable[tuple[str, str]] = (), matrices: Sequence[Matrix] = ()):
        self.handle = ctypes.c_void_p()
        handles = (ctypes.c_void_p * len(matrices))(*(matrix.handle for matrix in matrices))
        call("XGBoosterCreate", handles, ctypes.c_uint64(len(matrices)), ctypes.byref(self.handle))
        weakref.finalize(self, call, "XGBoosterFree", self.handle)
        self._matrices = tuple(matrices)  # XGBoost keeps predictions for them
        self.configure(parameters)

    def configure(self, parameters: Iterable[tuple[str, str]]) -> None:
        """Set parameters."""
        for name, value in parameters:
            call("XGBoosterSetParam", self.handle, name.encode(), value.encode())

    def settle(self) -> None:
        """Make the parameters that were set take effect."""
        self.rounds  # noqa: B018 - reading it does

    def update(self, rounds_done: int, matrix: Matrix) -> None:
        """Run one round of boosting."""
        call("XGBoosterUpdateOneIter", self.handle, ctypes.c_int(rounds_done), matrix.handle)

    def evaluate(self, rounds_done: int, sets: Mapping[str, Matrix]) -> dict[str, dict[str, float]]:
        """Return {set: {metric: value}} for the metrics of the parameter eval_metric."""
        handles = (ctypes.c_void_p * len(sets))(*(matrix.handle for matrix in sets.values()))
        names = (ctypes.c_char_p * len(sets))(*(name.encode() for name in sets))
        text = ctypes.c_char_p()
        count = ctypes.c_uint64(len(sets))
        call("XGBoosterEvalOneIter", self.handle, ctypes.c_int(rounds_done), handles, names, count, ctypes.byref(text))
        scores: dict[str, dict[str, float]] = {name: {} for name in sets}
        for entry in (text.value or b"").decode().split("\t")[1:]:
            column, _, value = entry.rpartition(":")
            name, _, metric = column.partition("-")
            scores[name][metric] = float(value)
        return scores

    def predict(self, matrix: Matrix) -> Floats:
        """Return predictions (rows,) or, for several classes, (rows, classes)."""
        config = options(type=0, training=False, iteration_begin=0, iteration_end=0, strict_shape=False)
        return self._call_predict("XGBoosterPredictFromDMatrix", matrix.handle, config)

    def predict_rows(self, rows: Floats | SparseMatrix) -> Floats:
        """Predict like `predict`, without creating a matrix; not for gblinear."""
        config = options(
            type=0, training=False, iteration_begin=0, iteration_end=0, missing=MISSING, strict_shape=False, cache_id=0
        )
        if isinstance(rows, SparseMatrix):
            parts = [array_interface(part) for part in (rows.starts, rows.indices, rows.values)]
            return self._call_predict("XGBoosterPredictFromCSR", *parts, ctypes.c_uint64(rows.width), config, None)
        return self._call_predict("XGBoosterPredictFromDense", array_interface(rows), config, None)

    def row_predictor(self, row: Floats) -> Callable[[], Floats]:
        """Return a function that predicts the current content of `row` (1, features); the fastest way for one row."""
        config = options(
            type=0, training=False, iteration_begin=0, iteration_end=0, missing=MISSING, strict_shape=False, cache_id=0
        )
        shape = ctypes.POINTER(ctypes.c_uint64)()
        dimensions = ctypes.c_uint64()
        data = ctypes.POINTER(ctypes.c_float)()
        function = library.load().XGBoosterPredictFromDense
        arguments = self.handle, array_interface(row), config, None, *map(ctypes.byref, (shape, dimensions, data))

        def predict() -> Floats:
            if function(*arguments):
                raise library.last_error()
            columns = shape[1] if dimensions.value > 1 else 0
            found = np.array(data[: columns or 1], np.float32)  # a view of the memory costs ten times as much
            return found[None] if columns else found

        return predict

    def _call_predict(self, name: str, *arguments: Any) -> Floats:
        shape = ctypes.POINTER(ctypes.c_uint64)()
        dimensions = ctypes.c_uint64()
        data = ctypes.POINTER(ctypes.c_float)()
        results = ctypes.byref(shape), ctypes.byref(dimensions), ctypes.byref(data)
        call(name, self.handle, *arguments, *results)
        return library.copy_floats(shape, dimensions.value, data)

    def truncated(self, rounds: int) -> "Booster":
        """Return the model of the first rounds; not for gblinear."""
        sliced = Booster()
        handle = ctypes.c_void_p()
        call("XGBoosterSlice", self.handle, 0, ctypes.c_int(rounds), 1, ctypes.byref(handle))
        call("XGBoosterFree", sliced.handle)
        sliced.handle.value = handle.value
        return sliced

    def set_attribute(self, name: str, value: str) -> None:
        """Store an attribute with the model, such as best_iteration."""
        call("XGBoosterSetAttr", self.handle, name.encode(), value.encode())

    def attribute(self, name: str) -> str | None:
        """Return an attribute of the model, or None."""
        text, exists = ctypes.c_char_p(), ctypes.c_int()
        call("XGBoosterGetAttr", self.handle, name.encode(), ctypes.byref(text), ctypes.byref(exists))
        return (text.value or b"").decode() if exists.value else None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns of the training data, the label first; () if it had none."""
        return tuple(json.loads(self.attribute(NAMES) or "[]"))

    def set_names(self, names: Sequence[str]) -> None:
        """Store the names of the columns of the training data."""
        if names:
            self.set_attribute(NAMES, json.dumps(names))

    def to_bytes(self) -> bytes:
        """Return the model in XGBoost's UBJSON format."""
        size, data = ctypes.c_uint64(), ctypes.POINTER(ctypes.c_char)()
        config = options(format="ubj")
        call("XGBoosterSaveModelToBuffer", self.handle, config, ctypes.byref(size), ctypes.byref(data))
        return ctypes.string_at(data, size.value)

    def load(self, path: Path) -> "Booster":
        """Load a stored model. Raises library.XGBoostLibraryError."""
        return self.load_bytes(path.read_bytes())

    def load_bytes(self, content: bytes) -> "Booster":
        """Load a model written by to_bytes or XGBoost. Raises library.XGBoostLibraryError."""
        if content[:1] != b"{" or content.rstrip()[-1:] != b"}":  # on such content XGBoost may abort the process
            raise library.XGBoostLibraryError("it is neither JSON nor UBJSON")
        call("XGBoosterLoadModelFromBuffer", self.handle, content, ctypes.c_uint64(len(content)))
        return self

    @property
    def rounds(self) -> int:
        count = ctypes.c_int()
        call("XGBoosterBoostedRounds", self.handle, ctypes.byref(count))
        return count.value

    @property
    def features(self) -> int:
        count = ctypes.c_uint64()
        call("XGBoosterGetNumFeature", self.handle, ctypes.byref(count))
        return count.value

    def learner(self) -> dict[str, Any]:
        """Return the "learner" part of XGBoost's model configuration."""
        size, text = ctypes.c_uint64(), ctypes.c_char_p()
        call("XGBoosterSaveJsonConfig", self.handle, ctypes.byref(size), ctypes.byref(text))
        learner: dict[str, Any] = json.loads(text.value or b"{}")["learner"]
        return learner
