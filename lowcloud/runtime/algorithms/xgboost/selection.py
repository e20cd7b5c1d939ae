"""Selectable inference: answers with the contents that $SAGEMAKER_INFERENCE_OUTPUT names, in its order."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.formats import recordio
from lowcloud.runtime.formats.inference import CSV, JSON, JSON_LINES

VARIABLE = "SAGEMAKER_INFERENCE_OUTPUT"
NUMBERS = ("predicted_score",)
DECISIONS = ("predicted_label", "labels", "raw_score", "raw_scores")
PROBABILITIES = (*DECISIONS, "probability", "probabilities")
CONTENTS = {  # SageMaker's table of what each objective has
    "reg:squarederror": NUMBERS,
    "reg:linear": NUMBERS,
    "reg:logistic": NUMBERS,
    "reg:gamma": NUMBERS,
    "reg:tweedie": NUMBERS,
    "binary:logistic": PROBABILITIES,
    "binary:logitraw": DECISIONS,
    "binary:hinge": DECISIONS,
    "multi:softmax": DECISIONS,
    "multi:softprob": PROBABILITIES,
}


def keys(environment: Mapping[str, str], objective: str) -> tuple[str, ...]:
    """The contents asked for; none where the plain answer is. Raises ValueError for an objective that has none."""
    text = environment.get(VARIABLE, "").replace(" ", "").lower()
    if text and objective not in CONTENTS:
        raise ValueError(f"${VARIABLE} is not offered for objective {objective}. Leave it out.")
    return tuple(key for key in text.split(",") if key)


def select(
    predictions: NDArray[np.float32], wanted: Sequence[str], objective: str, classes: int
) -> list[dict[str, Any]]:
    """For each prediction its contents; NaN for what the objective does not have."""
    known = CONTENTS[objective]
    labels = list(range(max(classes, 2)))
    return [
        {key: _content(key, one.tolist(), objective, labels) if key in known else float("nan") for key in wanted}
        for one in predictions
    ]


def _content(key: str, found: Any, objective: str, labels: list[int]) -> Any:
    is_list = isinstance(found, list)
    if key == "predicted_label":
        return _label(found, objective)
    if key == "labels":
        return labels
    if key in ("probability", "raw_score"):
        return max(found) if is_list else found
    if key in ("probabilities", "raw_scores"):
        return found if is_list else [1.0 - found, found]
    return found  # predicted_score


def _label(found: Any, objective: str) -> int | float:
    if isinstance(found, list):
        return int(np.argmax(found))
    if objective == "binary:logistic":
        return int(found > 0.5)
    return int(found > 0) if objective == "binary:logitraw" else found


def encode(chosen: list[dict[str, Any]], wanted: Sequence[str], kind: str) -> bytes:
    """The answer in a content type."""
    if kind == JSON:
        return json.dumps({"predictions": chosen}).encode()
    if kind == JSON_LINES:
        return "".join(json.dumps(entry) + "\n" for entry in chosen).encode()
    if kind == CSV:
        return "\n".join(",".join(_cell(entry[key]) for key in wanted) for entry in chosen).encode()
    records = ({key: np.atleast_1d(np.asarray(entry[key], np.float32)) for key in wanted} for entry in chosen)
    return b"".join(recordio.encode(None, record) for record in records)


def _cell(value: Any) -> str:
    return f'"{value}"' if isinstance(value, list) else str(value)
