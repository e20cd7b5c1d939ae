"""Encodings of texts: one-hot, ordinal, target encoding or hashing.

Target encoding: Micci-Barreca, "A preprocessing scheme for high-cardinality categorical attributes in classification
and prediction problems" (2001), smoothed by m rows of the overall mean. A training row gets the means of the other
folds: otherwise its out_of_fold label would leak into its features.
"""

import numpy as np

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.feature_transforms import TargetColumn
from lowcloud.runtime.feature_transforms.cells import Numbers, Texts
from lowcloud.runtime.feature_transforms.features import Feature, Hashed, Lookup, OneHot
from lowcloud.runtime.processing.program import Arguments

COVERED = 0.9  # minimum share of rows with frequent levels for which auto selects one_hot


class Encoder:
    """Selects and fits the encoding of each text column; `out_of_fold` has the values of the training rows."""

    def __init__(self, settings: Arguments, labels: Numbers | None, target: TargetColumn | None):
        self._settings = settings
        self._target = target
        self._means = _outcomes(labels, target)
        self.out_of_fold: dict[str, Numbers] = {}

    def fit(self, name: str, values: Texts, fill: str | None) -> Feature | None:
        """Return the feature of a column of training rows; None if the column is to be left out."""
        texts = _filled(values, fill)
        method = self._settings.pairs("encode_columns").get(name, self._settings.text("encode"))
        if method == "auto":
            method = "one_hot" if self._are_few(texts) else "target" if self._means is not None else "hash"
        if method == "drop":
            return None
        if method == "hash":
            return Hashed(name, self._settings.count("hash_buckets"), fill)
        if method == "ordinal":
            levels = _levels(texts)
            values_of = tuple((float(place),) for place in range(len(levels)))
            return Lookup(name, (name,), tuple(levels), values_of, (-1.0,), fill)
        if method == "target":
            return self._fit_target(name, texts, fill)
        frequent, rare = _frequent(texts, self._settings)
        return OneHot(name, tuple(frequent), fill, other=bool(rare))

    def _are_few(self, texts: Texts) -> bool:
        """Return whether one column per frequent level would cover most rows."""
        frequent, _ = _frequent(texts, self._settings)
        kept = set(frequent)
        codes = [code for code, level in enumerate(texts.levels) if level in kept]
        covered = float(np.isin(texts.codes, codes).mean())
        return len(frequent) <= self._settings.count("one_hot_levels") and covered >= COVERED

    def _fit_target(self, name: str, texts: Texts, fill: str | None) -> Lookup:
        if self._means is None or self._target is None:
            raise ClientError(f"Argument encode: target encoding of {name!r} needs a target.")
        outcomes, count = self._means, len(texts.levels)
        folds = self._settings.count("target_folds")
        fold = np.random.default_rng(self._settings.count("seed")).permutation(len(texts)) % folds
        out_of_fold = np.empty_like(outcomes)
        for i in range(folds):
            inside, outside = fold == i, fold != i
            if inside.any():
                table, prior = self._table(texts.codes[outside], outcomes[outside], count)
                out_of_fold[inside] = table[texts.codes[inside]] if len(table) else prior
        self.out_of_fold[name] = out_of_fold
        table, prior = self._table(texts.codes, outcomes, count)
        classes = self._target.classes
        names = tuple(f"{name}~{word}" for word in classes) if classes and len(classes) > 2 else (name,)
        present = np.unique(texts.codes).tolist()
        return Lookup(
            name,
            names,
            tuple(texts.levels[code] for code in present),
            tuple(tuple(table[code].tolist()) for code in present),
            tuple(prior.tolist()),
            fill,
        )

    def _table(
        self, codes: np.ndarray[tuple[int], np.dtype[np.int64]], y: Numbers, levels: int
    ) -> tuple[Numbers, Numbers]:
        """Return the smoothed means of each level (levels, outcomes), and of all rows (outcomes,)."""
        weight = self._settings.number("target_smoothing")
        prior = y.mean(axis=0) if len(y) else np.zeros(y.shape[1])
        rows = np.bincount(codes, minlength=levels)[:, None]
        sums = np.column_stack([np.bincount(codes, y[:, i], levels) for i in range(y.shape[1])])
        with np.errstate(invalid="ignore"):
            means = (sums + weight * prior) / (rows + weight)
        return np.where(rows + weight > 0, means, prior), prior


def _outcomes(labels: Numbers | None, target: TargetColumn | None) -> Numbers | None:
    """Return the values to average, (rows, outcomes): the label, or an indicator of each of several classes."""
    if labels is None or target is None:
        return None
    if target.classes is None or len(target.classes) == 2:
        return labels[:, None]
    return np.asarray(labels[:, None] == np.arange(len(target.classes)), np.float64)


def _filled(values: Texts, fill: str | None) -> Texts:
    """Return the texts with missing ones replaced by `fill`."""
    if fill is None or None not in values.levels:
        return values
    filled = [fill if level is None else level for level in values.levels]
    levels = list(dict.fromkeys(filled))
    places = np.array([levels.index(level) for level in filled])
    return Texts(places[values.codes], levels)


def _levels(texts: Texts) -> list[str | None]:
    """Return the existing levels in order, with the missing value last."""
    present = {texts.levels[code] for code in np.unique(texts.codes)}
    return sorted(present, key=lambda level: (level is None, level or ""))


def _frequent(texts: Texts, settings: Arguments) -> tuple[list[str | None], list[str | None]]:
    """Return the levels with enough rows, and the rare ones."""
    counts = dict(zip(texts.levels, np.bincount(texts.codes, minlength=len(texts.levels)).tolist(), strict=True))
    minimum = settings.number("rare_share") * len(texts)
    levels = _levels(texts)
    frequent = [level for level in levels if counts[level] >= minimum]
    return (frequent, [level for level in levels if counts[level] < minimum]) if frequent else (levels, [])
