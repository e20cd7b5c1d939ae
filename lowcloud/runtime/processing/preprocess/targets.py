"""The target: what kind of task it makes, and the labels that the output has in its first column."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.feature_transforms import TargetColumn
from lowcloud.runtime.feature_transforms.cells import Numbers, Texts
from lowcloud.runtime.processing.preprocess.columns import Column
from lowcloud.runtime.processing.program import Arguments

AUTO_CLASSES = 20  # distinct whole numbers up to which auto takes them for classes


def are_missing(column: Column) -> NDArray[np.bool_]:
    """Which rows have no target, (rows,)."""
    if not isinstance(column.values, Texts):
        return np.isnan(column.values)
    missing = [code for code, level in enumerate(column.values.levels) if level is None]
    return np.isin(column.values.codes, missing)


def read(column: Column, settings: Arguments) -> tuple[TargetColumn, Numbers]:
    """The target and its labels (rows,): places in its classes, or the numbers of a regression. Raises ClientError."""
    values = column.values
    task = settings.text("task")
    if isinstance(values, Texts):
        if task == "regression":
            raise ClientError(f"Column {column.name!r} holds texts, and task=regression needs numbers.")
        present, codes = np.unique(values.codes, return_inverse=True)
        classes = [str(values.levels[code]) for code in present]
    else:
        present_numbers, codes = np.unique(values, return_inverse=True)
        if task == "regression" or (task == "auto" and not _are_classes(present_numbers)):
            return TargetColumn(column.name, "regression"), values
        classes = [_write(number) for number in present_numbers.tolist()]
    task = _task(column.name, classes, task)
    order = _order(column.name, classes, task, settings)
    places = np.argsort(order)  # a class's place in the order
    return TargetColumn(column.name, task, tuple(classes[i] for i in order)), places[codes].astype(np.float64)


def labels(column: Column, target: TargetColumn) -> Numbers:
    """The labels (rows,) of a table by a target that was fitted before; NaN for classes that it does not know."""
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
        raise ClientError(f"Column {name!r}, the target, has one value only ({classes[0]!r}): nothing can be learned.")
    if task == "binary" and len(classes) > 2:
        raise ClientError(f"Column {name!r}, the target, has {len(classes)} values where task=binary takes two.")
    return "binary" if len(classes) == 2 and task != "multiclass" else "multiclass"


def _order(name: str, classes: list[str], task: str, settings: Arguments) -> list[int]:
    """Places of the classes, the positive one last where it is named."""
    order = list(range(len(classes)))
    if not settings.has("positive"):
        return order
    positive = settings.text("positive")
    if task != "binary":
        raise ClientError(f"Argument positive is for two classes; column {name!r} has {len(classes)}.")
    if positive not in classes:
        raise ClientError(f"Argument positive: column {name!r} has no value {positive!r}, but {' and '.join(classes)}.")
    return order if classes[1] == positive else [1, 0]


def _write(number: float) -> str:
    return str(int(number)) if number == int(number) else repr(number)
