"""evaluation.json: the measures in the shape of SageMaker's model quality reports, with what is more beside them.

Developer guide, "Model quality metrics": {task}_metrics, each measure with value and standard_deviation.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lowcloud.runtime.processing.evaluate import bootstrap, confusion
from lowcloud.runtime.processing.evaluate.binary import Binary
from lowcloud.runtime.processing.evaluate.multiclass import Multiclass
from lowcloud.runtime.processing.evaluate.table import Rows
from lowcloud.runtime.processing.evaluate.tasks import Subject
from lowcloud.runtime.processing.program import Arguments

VERSION = 1
BINARY, MULTICLASS, REGRESSION = (
    "binary_classification_metrics",
    "multiclass_classification_metrics",
    "regression_metrics",
)
HISTOGRAM = 40


def describe(subject: Subject, classes: tuple[str, ...], rows: Rows, settings: Arguments) -> dict[str, Any]:
    """The report as plain JSON; a measure that has no value here is null."""
    weights = rows.weights
    measures, constant = subject.measure(weights), subject.constant(weights)
    samples, confidence = settings.count("bootstrap"), settings.number("confidence")
    spreads = bootstrap.spread(subject.measure, weights, samples, confidence, settings.count("seed"))
    group: dict[str, Any] = {}
    if not isinstance(subject, Binary | Multiclass):
        key = REGRESSION
    else:
        key = BINARY if isinstance(subject, Binary) else MULTICLASS
        group["confusion_matrix"] = confusion.as_document(subject.matrix(weights), classes)
    for name, value in measures.items():
        group[name] = _measure(value, spreads.get(name))
    group |= {name: _measure(value, None) for name, value in constant.items()}
    group |= subject.curves(weights)
    if isinstance(subject, Binary) and subject.scores is not None:
        group["score_histogram"] = _histogram(subject)
    return {
        "format": "lowcloud/evaluation",
        "version": VERSION,
        "dataset": {"item_count": len(weights), "left_out": rows.left_out, "is_weighted": bool((weights != 1).any())},
        "classes": list(classes),
        "intervals": {
            "confidence": confidence,
            "resamples": bootstrap.count(samples, len(weights)),
            "seed": settings.count("seed"),
        },
        "warnings": _warnings(subject, classes, rows),
        key: group,
    }


def metrics(found: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Which of the three tasks a document is of, and its group of measures."""
    key = next(key for key in (BINARY, MULTICLASS, REGRESSION) if key in found)
    return key, found[key]


def summary(found: Mapping[str, Any]) -> list[str]:
    """A line for each measure, for the log; metric definitions can read them: name=value."""
    _, group = metrics(found)
    lines = [f"Compared {found['dataset']['item_count']} rows."]
    for name, entry in group.items():
        if isinstance(entry, dict) and entry.get("value") is not None and "constant" not in name:
            lines.append(f"evaluation:{name}={entry['value']:.6g}")
    return lines


def _measure(value: float, spread: bootstrap.Spread | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"value": value if np.isfinite(value) else None, "standard_deviation": None}
    if spread is not None:
        entry |= {"standard_deviation": spread.deviation, "confidence_interval": [spread.low, spread.high]}
    return entry


def _histogram(subject: Binary) -> dict[str, Any]:
    assert subject.scores is not None
    low, high = (0.0, 1.0) if subject.are_probabilities else (float(subject.scores.min()), float(subject.scores.max()))
    edges = np.linspace(low, high if high > low else low + 1, HISTOGRAM + 1)
    counts = [np.histogram(subject.scores[subject.truth == label], edges)[0].tolist() for label in (0, 1)]
    return {"edges": edges.tolist(), "negative": counts[0], "positive": counts[1]}


def _warnings(subject: Subject, classes: tuple[str, ...], rows: Rows) -> list[str]:
    found = []
    if rows.left_out:
        found.append(f"{rows.left_out} rows without a label or a prediction were left out.")
    if isinstance(subject, Binary | Multiclass):
        present = set(np.unique(subject.truth).tolist())
        absent = [name for i, name in enumerate(classes) if i not in present]
        if absent:
            found.append(
                f"No row is truly of class {', '.join(absent[:5])}: areas under curves that need it have no value."
            )
        if subject.scores is not None and not subject.are_probabilities:
            found.append("The scores are no probabilities: log-loss, Brier score and calibration have no value.")
        if isinstance(subject, Binary) and subject.ranking is not None:
            area = subject.ranking.curve(rows.weights).roc_area()
            if area < 0.5:
                found.append(
                    f"The area under the ROC curve is {area:.3f}: do scores mean the other class? See positive."
                )
    elif bool((subject.truth == 0).any()):
        found.append("The truth is 0 in some rows: the mean percentage error (mape) has no value.")
    return found
