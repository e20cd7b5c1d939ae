"""Decodes the responses of endpoints: to arrays, to the labels of a classifier, or to a table of probabilities."""

import json
from io import BytesIO
from typing import Any

from lowcloud.sdk import wording
from lowcloud.sdk.data.columns import Columns
from lowcloud.sdk.data.labels import LABEL, PROBABILITY
from lowcloud.sdk.errors import InvalidInputError, PredictionFailedError

CSV, JSON, NPY = "text/csv", "application/json", "application/x-npy"


def to_predictions(responses: list[tuple[bytes, str]], columns: Columns | None = None) -> Any:
    """Decode responses to one array with an item for each row, or to a list if they do not form an array.

    `columns` of a built-in classifier have its labels, which are then the items.
    """
    import numpy as np

    if columns is not None and columns.classes is not None:
        labels = np.array(columns.classes)
        if labels.tolist() != list(columns.classes):  # whole numbers that no type of numpy has all
            labels = np.array(columns.classes, object)
        return labels[_codes(_items(responses), columns.scores)]
    parts = [_decode(body, content_type) for body, content_type in responses]
    if all(isinstance(part, np.ndarray) for part in parts):
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
    return parts[0] if len(parts) == 1 else [row for part in parts for row in part]


def to_probabilities(responses: list[tuple[bytes, str]], columns: Columns | None, library: str) -> Any:
    """Return the probability of each class by its spelling: as a table of pandas or polars, or a dict of arrays.

    Raises InvalidInputError if the model gives no probabilities.
    """
    import numpy as np

    if columns is None or columns.classes is None:
        raise InvalidInputError(
            "This model has no classes that are known here: "
            f"{wording.argument('probabilities', True)} is for built-in classifiers that "
            f"{wording.either('lowcloud.train()', '`lowcloud train`')} has trained."
        )
    if columns.scores != PROBABILITY:
        raise InvalidInputError(
            "This model gives no probabilities: train it with the objective binary:logistic or multi:softprob, or with "
            "another loss than hinge_loss."
        )
    scores = np.array([item["score"] for item in _items(responses)], float)
    table = scores if scores.ndim > 1 else np.column_stack([1 - scores, scores])
    found = {str(name): table[:, place] for place, name in enumerate(columns.classes)}
    if library == "pandas":
        import pandas as pd

        return pd.DataFrame(found)
    if library == "polars":
        import polars as pl

        return pl.DataFrame(found)
    return found


def _codes(items: list[dict[str, Any]], scores: str) -> list[int]:
    """Return the number of each predicted class."""
    return [_code(item, scores) for item in items]


def _code(item: dict[str, Any], scores: str) -> int:
    if "predicted_label" in item:
        return int(item["predicted_label"])
    score = item["score"]
    if isinstance(score, list):
        return max(range(len(score)), key=score.__getitem__)
    return int(score) if scores == LABEL else int(score > (0.5 if scores == PROBABILITY else 0))


def _items(responses: list[tuple[bytes, str]]) -> list[dict[str, Any]]:
    """Return the predictions of a built-in algorithm, {"score": ..., "predicted_label": ...}, for each row."""
    found: list[dict[str, Any]] = []
    for body, _ in responses:
        document = _load(body)
        if not isinstance(document, dict) or not isinstance(document.get("predictions"), list):
            raise PredictionFailedError(f"The endpoint's response has no predictions: {body[:80]!r}.")
        found += document["predictions"]
    return found


def _load(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise PredictionFailedError(f"The endpoint's response is not valid JSON: {body[:80]!r}.") from None


def _decode(body: bytes, content_type: str) -> Any:
    import numpy as np

    kind = content_type.partition(";")[0]
    if kind == NPY:
        return np.load(BytesIO(body), allow_pickle=False)
    if kind == CSV:
        return _from_csv(body.decode())
    if kind != JSON:
        return body
    found = _load(body)
    if isinstance(found, dict) and set(found) == {"predictions"}:
        found = [_prediction(item) for item in found["predictions"]]
    if not isinstance(found, list):
        return found
    try:
        array = np.array(found)
    except ValueError:
        return found
    return found if array.dtype == object else array


def _from_csv(text: str) -> Any:
    import numpy as np

    rows = [line.split(",") for line in text.splitlines()]
    if len({len(row) for row in rows}) > 1:
        return rows
    table = np.array(rows)
    cells = table[:, 0] if table.ndim == 2 and table.shape[1] == 1 else table
    try:
        return cells.astype(float)
    except ValueError:
        return cells


def _prediction(item: Any) -> Any:
    """Return a built-in algorithm's prediction for one row: the label if it decides on one, otherwise the score."""
    return item.get("predicted_label", item.get("score", item)) if isinstance(item, dict) else item
