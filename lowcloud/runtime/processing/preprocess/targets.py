"""The target: its task and classes, and the labels in the first column of the output."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.feature_transforms import TargetColumn
from lowcloud.runtime.feature_transforms.cells import Numbers, Texts
from lowcloud.runtime.processing.preprocess.columns import TypedColumn
from lowcloud.runtime.processing.program import Arguments
from lowcloud.schemas.tables import EXACT_WHOLE

AUTO_CLASSES = 20  # distinct integers up to which task=auto treats them as classes


def are_missing(column: TypedColumn) -> NDArray[np.bool_]:
    """Return which rows have no target, (rows,)."""
    if not isinstance(column.values, Texts):
        return np.isnan(column.values)
    missing = [code for code, level in enumerate(column.values.levels) if level is None]
    return np.isin(column.values.codes, missing)


def read(column: TypedColumn, settings: Arguments) -> tuple[TargetColumn, Numbers]:
    """Return the target and its labels (rows,): class indices, or the numbers of a regression. Raises ClientError."""
    values = column.values
    task = settings.text("task")
    if isinstance(values, Texts):
        if task == "regression":
            raise ClientError(f"Column {column.name!r} contains texts, but task=regression needs numbers.")
        present, codes = np.unique(values.codes, return_inverse=True)
        classes = [str(values.levels[code]) for code in present]
    else:
        present_numbers, codes = np.unique(values, return_inverse=True)
        if task == "regression" or (task == "auto" and not _are_classes(present_numbers)):
            return TargetColumn(column.name, "regression"), values
        if np.abs(present_numbers).max() >= EXACT_WHOLE:
            raise ClientError(
                f"The target column {column.name!r} has labels of {EXACT_WHOLE} and more, which cannot be told apart "
                f"as floating-point numbers. Pass types={column.name}=text."
            )
        classes = [_write(number) for number in present_numbers.tolist()]
    task = _task(column.name, classes, task)
    order = _order(column.name, classes, task, settings)
    places = np.argsort(order)  # a class's place in the order
    return TargetColumn(column.name, task, tuple(classes[i] for i in order)), places[codes].astype(np.float64)


def labels(column: TypedColumn, target: TargetColumn) -> Numbers:
    """Return the labels (rows,) for a target fitted before; NaN for unknown classes."""
    if target.classes is None:
        assert not isinstance(column.values, Texts)
        return column.values
    places = {word: float(place) for place, word in enumerate(target.classes)}
    if isinstance(column.values, Texts):
        return column.values.map(lambda level: places.get(str(level), np.nan))
    found: list[Any] = [places.get(_write(number), np.nan) for number in column.values.tolist()]
    return np.array(found)


def _are_classes(distinct: Numbers) -> bool:
    return len(distinct) == 2 or (len(distinct) <= AUTO_CLASSES and bool((distinct == np.floor(distinct)).all()))


def _task(name: str, classes: list[str], task: str) -> str:
    if len(classes) < 2:
        raise ClientError(f"The target column {name!r} has only one value ({classes[0]!r}): nothing can be learned.")
    if task == "binary" and len(classes) > 2:
        raise ClientError(f"The target column {name!r} has {len(classes)} values, but task=binary needs two.")
    return "binary" if len(classes) == 2 and task != "multiclass" else "multiclass"


def _order(name: str, classes: list[str], task: str, settings: Arguments) -> list[int]:
    """Return the order of the classes, with the positive one last if it is given."""
    order = list(range(len(classes)))
    if not settings.has("positive"):
        return order
    positive = settings.text("positive")
    if task != "binary":
        raise ClientError(f"Argument positive is for two classes; column {name!r} has {len(classes)}.")
    if positive not in classes:
        raise ClientError(
            f"Argument positive: column {name!r} has no value {positive!r}; it has {' and '.join(classes)}."
        )
    return order if classes[1] == positive else [1, 0]


def _write(number: float) -> str:
    return str(int(number)) if number == int(number) else repr(number)
