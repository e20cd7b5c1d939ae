"""Splits rows into training, validation and test."""

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.feature_transforms.cells import Numbers, Texts, Vector
from lowcloud.runtime.processing.program import Arguments

PARTS = ("train", "validation", "test")
RowIndices = NDArray[np.int64]


def split(
    rows: int, settings: Arguments, labels: Numbers | None, is_classification: bool, column: Vector | None
) -> dict[str, RowIndices]:
    """Return the rows of each non-empty part, in the order of writing. `column` is that of split_column."""
    method = settings.text("split")
    random = np.random.default_rng(settings.count("seed"))
    if method == "auto":
        method = "stratified" if is_classification else "random"
    shares = settings.number("validation_fraction"), settings.number("test_fraction")
    if method == "none":
        order, counts = np.arange(rows), (0, 0)
    elif method == "group":
        assert column is not None
        order, counts = _by_group(column, shares, random)
    elif method == "time":
        assert column is not None
        order, counts = _by_time(column), _counts(rows, shares)
    elif method == "stratified":
        if labels is None or not is_classification:
            raise ClientError("Argument split=stratified needs a target with classes.")
        order, counts = _by_class(labels, _counts(rows, shares), random), _counts(rows, shares)
    else:
        order, counts = random.permutation(rows), _counts(rows, shares)
    validation, test = counts
    train = rows - validation - test
    parts = dict(zip(PARTS, np.split(order, [train, train + validation]), strict=True))
    if settings.flag("shuffle") and method != "time":
        parts = {name: random.permutation(part) for name, part in parts.items()}
    elif method != "time":
        parts = {name: np.sort(part) for name, part in parts.items()}
    if not train:
        raise ClientError(f"With {rows} rows none is left for training. Use more rows or smaller fractions.")
    return {name: part for name, part in parts.items() if len(part)}


def _counts(rows: int, shares: tuple[float, float]) -> tuple[int, int]:
    """Return the number of rows for validation and test: at least one if requested and there are enough."""
    validation, test = (max(round(share * rows), 1 if share and rows > 2 else 0) for share in shares)
    return validation, test


def _by_class(labels: Numbers, counts: tuple[int, int], random: np.random.Generator) -> RowIndices:
    """Order the rows such that each part has the classes in the same proportions."""
    shuffled = random.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    # Each part gets evenly spaced rows of the remaining ones, which are sorted by class.
    validation, test = counts
    left, selected = by_class, []
    for count in (test, validation):
        places = ((np.arange(count) + random.random()) * len(left) / max(count, 1)).astype(np.int64)
        selected.append(left[places])
        left = np.delete(left, places)
    return np.concatenate([left, selected[1], selected[0]])


def _by_group(
    column: Vector, shares: tuple[float, float], random: np.random.Generator
) -> tuple[RowIndices, tuple[int, int]]:
    """Order the rows by groups; return them and sizes of validation and test that do not split a group."""
    keys = column.codes if isinstance(column, Texts) else column
    _, groups, sizes = np.unique(keys, return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        raise ClientError("Argument split=group needs a column with more than one value.")
    order = random.permutation(len(sizes))
    ends = np.cumsum(sizes[order])
    sizes_requested = _counts(len(groups), shares)
    cuts = [len(groups) - sizes_requested[1] - sizes_requested[0], len(groups) - sizes_requested[1]]
    # A part ends with the group whose end is nearest to the requested size.
    train, before_test = (int(ends[np.abs(ends - cut).argmin()]) for cut in cuts)
    rank = np.argsort(order)
    rows = np.argsort(rank[groups], kind="stable")
    return rows, (before_test - train, len(groups) - before_test)


def _by_time(column: Vector) -> RowIndices:
    if isinstance(column, Texts):
        raise ClientError("Argument split=time needs a column of times or numbers. Name its type in types.")
    return np.argsort(np.where(np.isnan(column), -np.inf, column), kind="stable")
