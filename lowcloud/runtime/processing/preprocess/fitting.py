"""Fits the transform of a table: the features of each column, from the training rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.feature_transforms import SourceColumn, TargetColumn, Transform
from lowcloud.runtime.feature_transforms.cells import Numbers, ReadingRules, Texts, Vector
from lowcloud.runtime.feature_transforms.expressions import check, compute_column, fix_quantiles
from lowcloud.runtime.feature_transforms.features import Feature, Scaled
from lowcloud.runtime.processing.preprocess.encoding import Encoder
from lowcloud.runtime.processing.program import Arguments
from lowcloud.schemas.expressions import (
    Call,
    ColumnReference,
    InvalidExpressionError,
    format_expression,
    parse_assignments,
)
from lowcloud.schemas.preprocess import IMPUTE_NUMBERS, IMPUTE_TEXTS

LIMITS = {"iqr": 1.5, "deviation": 3.0, "quantile": 0.01}


@dataclass
class FittedTransform:
    """A transform, the out-of-fold values of training rows (target encoding), and why columns were left out."""

    transform: Transform
    out_of_fold: dict[str, Numbers] = field(default_factory=dict)  # feature's column -> (training rows, its names)
    left_out: dict[str, str] = field(default_factory=dict)  # column -> reason
    derived: dict[str, Vector] = field(default_factory=dict)  # of the training rows


def fit(
    sources: tuple[SourceColumn, ...],
    columns: Mapping[str, Vector],
    labels: Numbers | None,
    target: TargetColumn | None,
    rules: ReadingRules,
    settings: Arguments,
) -> FittedTransform:
    """Fit a transform to the training rows given by `columns` and `labels`. Raises ClientError."""
    rows = len(next(iter(columns.values())))
    steps = _derive(sources, dict(columns), rows, settings)
    kinds = {source.name: source.kind for source in sources if source.role == "feature"}
    kinds |= {name: "derived" for name, _ in steps.expressions}
    fitted = FittedTransform(Transform(sources, (), steps.expressions, target, rules), derived=steps.columns)
    encoder = Encoder(settings, labels, target)
    features: list[Feature] = []
    for name, kind in kinds.items():
        if kind == "time":
            continue  # its parts are derived
        values = steps.columns[name]
        reason = _exclusion_reason(values, settings)
        if reason:
            fitted.left_out[name] = reason
        elif isinstance(values, Texts):
            feature = encoder.fit(name, values, _text_fill(name, values, settings))
            if feature is None:
                fitted.left_out[name] = "encode=drop"
                continue
            features.append(feature)
            if name in encoder.out_of_fold:
                fitted.out_of_fold[name] = encoder.out_of_fold[name]
        else:
            features.append(scale(name, values, kind, settings))
    if not features:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in list(fitted.left_out.items())[:10])
        raise ClientError(f"No column can be used as a feature ({reasons}).")
    fitted.transform = Transform(sources, tuple(features), steps.expressions, target, rules)
    return fitted


def scale(name: str, values: Numbers, kind: str, settings: Arguments) -> Scaled:
    """Return how a column of numbers is clipped, filled and scaled."""
    with np.errstate(over="ignore"):  # squares may overflow in the deviation: then nothing is scaled
        return _scale(name, values, kind, settings)


@dataclass(frozen=True)
class _Steps:
    expressions: tuple[tuple[str, str], ...]
    columns: dict[str, Vector]


def _scale(name: str, values: Numbers, kind: str, settings: Arguments) -> Scaled:
    present = values[~np.isnan(values)]
    is_boolean = kind == "boolean"
    low, high = (None, None) if is_boolean else _limits(present, settings)
    limited = present if low is None else np.clip(present, low, high)
    fill = _number_fill(name, limited, settings)
    missing = len(values) - len(present)
    filled = limited if fill is None or not missing else np.concatenate([limited, np.full(missing, fill)])
    method = settings.pairs("normalise_columns").get(name) or ("none" if is_boolean else settings.text("normalise"))
    shift, width = _scaling(filled, method)
    indicator = bool(missing) and settings.flag("missing_indicators")
    return Scaled(name, low, high, fill, indicator, shift, width)


def _derive(sources: tuple[SourceColumn, ...], columns: dict[str, Vector], rows: int, settings: Arguments) -> _Steps:
    """Compute the parts of times and the requested expressions from the columns."""
    kinds = {source.name: source.kind for source in sources if source.name in columns}
    requested = parse_assignments(settings.text("derive"))
    for name in requested:
        if name in {source.name for source in sources}:
            raise ClientError(f"Argument derive: {name!r} is already a column of the data. Choose another name.")
    parts = [part for part in settings.names("date_parts") if part != "none"]
    times = [source.name for source in sources if source.kind == "time" and source.role == "feature"]
    trees = {f"{name}.{part}": Call(part, (ColumnReference(name),)) for name in times for part in parts}
    expressions = []
    for name, expression in (trees | requested).items():
        try:
            check(expression, kinds)
        except InvalidExpressionError as error:
            raise ClientError(f"Argument derive: {name}: {error}") from None
        tree = fix_quantiles(expression, columns, rows)
        columns[name] = compute_column(tree, columns, rows)
        kinds[name] = "number"
        expressions.append((name, format_expression(tree)))
    return _Steps(tuple(expressions), columns)


def _exclusion_reason(values: Vector, settings: Arguments) -> str | None:
    """Return why a column is left out, or None."""
    if isinstance(values, Texts):
        present, counts = np.unique(values.codes, return_counts=True)
        missing = int(sum(count for code, count in zip(present, counts, strict=True) if values.levels[code] is None))
        distinct = len(present) - bool(missing)
        is_missing_encoded = settings.text("impute_text") == "level"
    else:
        filled = values[~np.isnan(values)]
        missing, distinct = len(values) - len(filled), min(len(np.unique(filled)), 2)
        is_missing_encoded = settings.flag("missing_indicators") or settings.text("impute") == "none"
    if not distinct:
        return "no values in the training part"
    if missing > settings.number("max_missing") * len(values):
        return f"{missing / len(values):.0%} missing"
    if distinct == 1 and settings.flag("drop_constant") and not (missing and is_missing_encoded):
        return "only one value in the training part"
    return None


def _limits(present: Numbers, settings: Arguments) -> tuple[float | None, float | None]:
    method = settings.text("clip")
    if method == "none":
        return None, None
    limit = settings.number("clip_limit") if settings.has("clip_limit") else LIMITS[method]
    if method == "quantile":
        low, high = np.quantile(present, [limit, 1 - limit])
    elif method == "deviation":
        low, high = present.mean() - limit * present.std(), present.mean() + limit * present.std()
    else:
        first, third = np.quantile(present, [0.25, 0.75])
        low, high = first - limit * (third - first), third + limit * (third - first)
    return float(low), float(high)


def _number_fill(name: str, present: Numbers, settings: Arguments) -> float | None:
    method = settings.pairs("impute_columns").get(name, settings.text("impute"))
    if method not in IMPUTE_NUMBERS:
        raise ClientError(
            f"Argument impute_columns: {name!r} contains numbers; use one of {', '.join(IMPUTE_NUMBERS)}."
        )
    if method == "constant":
        return settings.number("impute_value")
    if method == "most_frequent":
        distinct, counts = np.unique(present, return_counts=True)
        return float(distinct[counts.argmax()])
    return {"mean": float(np.mean(present)), "median": float(np.median(present)), "none": None}[method]


def _text_fill(name: str, values: Texts, settings: Arguments) -> str | None:
    method = settings.pairs("impute_columns").get(name, settings.text("impute_text"))
    if method not in IMPUTE_TEXTS:
        raise ClientError(f"Argument impute_columns: {name!r} contains texts; use one of {', '.join(IMPUTE_TEXTS)}.")
    if method == "constant":
        return settings.text("impute_word")
    if method == "level":
        return None
    counts = np.bincount(values.codes, minlength=len(values.levels))
    known = [code for code, level in enumerate(values.levels) if level is not None]
    return values.levels[max(known, key=lambda code: (counts[code], -code))]


def _scaling(x: Numbers, method: str) -> tuple[float, float]:
    """Return shift and scale; a width of 0 gives a scale of 1."""
    if method == "standard":
        shift, width = float(x.mean()), float(x.std())
    elif method == "min_max":
        shift, width = float(x.min()), float(x.max() - x.min())
    elif method == "robust":
        first, middle, third = (float(q) for q in np.quantile(x, [0.25, 0.5, 0.75]))
        shift, width = middle, (third - first) or float(x.std())
    else:
        return 0.0, 1.0
    return shift, width if width > 0 and np.isfinite(width) else 1.0
