"""evaluation.json: the metrics in the format of SageMaker's model quality reports, with additional fields.

Developer guide, "Model quality metrics": {task}_metrics, each metric with value and standard_deviation.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from lowcloud.runtime.processing.evaluate import bootstrap, confusion
from lowcloud.runtime.processing.evaluate.binary import BinaryEvaluation
from lowcloud.runtime.processing.evaluate.matching import MatchedRows
from lowcloud.runtime.processing.evaluate.multiclass import MulticlassEvaluation
from lowcloud.runtime.processing.evaluate.table import ComparedRows
from lowcloud.runtime.processing.evaluate.tasks import Evaluation
from lowcloud.runtime.processing.program import Arguments

VERSION = 1
BINARY, MULTICLASS, REGRESSION = (
    "binary_classification_metrics",
    "multiclass_classification_metrics",
    "regression_metrics",
)
HISTOGRAM = 40


def describe(
    evaluation: Evaluation,
    classes: tuple[str, ...],
    rows: ComparedRows,
    settings: Arguments,
    matched: MatchedRows,
) -> dict[str, Any]:
    """Return the report as plain JSON; an undefined metric is null."""
    weights = rows.weights
    measures, constant = evaluation.measure(weights), evaluation.constant(weights)
    samples, confidence = settings.count("bootstrap"), settings.number("confidence")
    spreads = bootstrap.estimate_spreads(evaluation.measure, weights, samples, confidence, settings.count("seed"))
    group: dict[str, Any] = {}
    if not isinstance(evaluation, BinaryEvaluation | MulticlassEvaluation):
        key = REGRESSION
    else:
        key = BINARY if isinstance(evaluation, BinaryEvaluation) else MULTICLASS
        group["confusion_matrix"] = confusion.as_document(evaluation.matrix(weights), classes)
    for name, value in measures.items():
        group[name] = _measure(value, spreads.get(name))
    group |= {name: _measure(value, None) for name, value in constant.items()}
    group |= evaluation.curves(weights)
    if isinstance(evaluation, BinaryEvaluation) and evaluation.scores is not None:
        group["score_histogram"] = _histogram(evaluation)
    return {
        "format": "lowcloud/evaluation",
        "version": VERSION,
        "dataset": {
            "item_count": len(weights),
            "left_out": rows.left_out,
            "is_weighted": bool((weights != 1).any()),
            "matched_by": matched.matched_by,
        },
        "classes": list(classes),
        "intervals": {
            "confidence": confidence,
            "resamples": bootstrap.count_resamples(samples, len(weights)),
            "seed": settings.count("seed"),
        },
        "warnings": [*matched.warnings, *_warnings(evaluation, classes, rows)],
        key: group,
    }


def metrics(found: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return the task of a document, and its group of metrics."""
    key = next(key for key in (BINARY, MULTICLASS, REGRESSION) if key in found)
    return key, found[key]


def summary(found: Mapping[str, Any]) -> list[str]:
    """Return a log line for each metric, name=value, which metric definitions can match."""
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


def _histogram(evaluation: BinaryEvaluation) -> dict[str, Any]:
    assert evaluation.scores is not None
    low, high = (
        (0.0, 1.0) if evaluation.are_probabilities else (float(evaluation.scores.min()), float(evaluation.scores.max()))
    )
    edges = np.linspace(low, high if high > low else low + 1, HISTOGRAM + 1)
    counts = [np.histogram(evaluation.scores[evaluation.truth == label], edges)[0].tolist() for label in (0, 1)]
    return {"edges": edges.tolist(), "negative": counts[0], "positive": counts[1]}


def _warnings(evaluation: Evaluation, classes: tuple[str, ...], rows: ComparedRows) -> list[str]:
    found = []
    if rows.left_out:
        found.append(f"{rows.left_out} rows without a label or a prediction were omitted.")
    if isinstance(evaluation, BinaryEvaluation | MulticlassEvaluation):
        present = set(np.unique(evaluation.truth).tolist())
        absent = [name for i, name in enumerate(classes) if i not in present]
        if absent:
            found.append(
                f"No row has the class {', '.join(absent[:5])}: areas under curves that need it are undefined."
            )
        if evaluation.scores is not None and not evaluation.are_probabilities:
            found.append("The scores are not probabilities: log-loss, Brier score and calibration are undefined.")
        if isinstance(evaluation, BinaryEvaluation) and evaluation.ranking is not None:
            area = evaluation.ranking.curve(rows.weights).roc_area()
            if area < 0.5:
                found.append(
                    f"The area under the ROC curve is {area:.3f}: are these scores of the other class? See positive."
                )
    elif bool((evaluation.truth == 0).any()):
        found.append("The truth is 0 in some rows: the mean percentage error (mape) is undefined.")
    return found
