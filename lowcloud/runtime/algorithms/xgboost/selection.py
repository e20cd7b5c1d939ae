"""Selectable inference: responses with the fields listed in $SAGEMAKER_INFERENCE_OUTPUT, in that order."""

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
FIELDS = {  # SageMaker's table of the fields of each objective
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


def read_keys(environment: Mapping[str, str], objective: str) -> tuple[str, ...]:
    """Return the selected fields; none for the standard response. Raises ValueError for an objective without fields."""
    text = environment.get(VARIABLE, "").replace(" ", "").lower()
    if text and objective not in FIELDS:
        raise ValueError(f"${VARIABLE} is not supported for objective {objective}. Remove it.")
    return tuple(key for key in text.split(",") if key)


def select(
    predictions: NDArray[np.float32], selected: Sequence[str], objective: str, classes: int
) -> list[dict[str, Any]]:
    """Return the selected fields of each prediction; NaN for fields that the objective does not have."""
    known = FIELDS[objective]
    labels = list(range(max(classes, 2)))
    return [
        {key: _field(key, one.tolist(), objective, labels) if key in known else float("nan") for key in selected}
        for one in predictions
    ]


def _field(key: str, prediction: Any, objective: str, labels: list[int]) -> Any:
    is_list = isinstance(prediction, list)
    if key == "predicted_label":
        return _label(prediction, objective)
    if key == "labels":
        return labels
    if key in ("probability", "raw_score"):
        return max(prediction) if is_list else prediction
    if key in ("probabilities", "raw_scores"):
        return prediction if is_list else [1.0 - prediction, prediction]
    return prediction  # predicted_score


def _label(prediction: Any, objective: str) -> int | float:
    if isinstance(prediction, list):
        return int(np.argmax(prediction))
    if objective == "binary:logistic":
        return int(prediction > 0.5)
    return int(prediction > 0) if objective == "binary:logitraw" else prediction


def encode(responses: list[dict[str, Any]], selected: Sequence[str], media_type: str) -> bytes:
    """Encode the responses in a content type."""
    if media_type == JSON:
        return json.dumps({"predictions": responses}).encode()
    if media_type == JSON_LINES:
        return "".join(json.dumps(entry) + "\n" for entry in responses).encode()
    if media_type == CSV:
        return "\n".join(",".join(_cell(entry[key]) for key in selected) for entry in responses).encode()
    records = ({key: np.atleast_1d(np.asarray(entry[key], np.float32)) for key in selected} for entry in responses)
    return b"".join(recordio.encode(None, record) for record in records)


def _cell(value: Any) -> str:
    return f'"{value}"' if isinstance(value, list) else str(value)
