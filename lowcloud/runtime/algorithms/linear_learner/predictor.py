"""The predictor of a linear-learner endpoint: from the bytes of a request to those of its response."""

from math import exp

from lowcloud.runtime.algorithms.linear_learner.model import LinearModel
from lowcloud.runtime.formats.inference import CSV, JSON, LARGEST, RowFormat, decode_request, encode_response


class LinearPredictor:
    """A loaded model that answers requests."""

    def __init__(self, model: LinearModel):
        self.model = model
        self.names = model.names
        self._expected = RowFormat(model.features, model.names)
        self._row_weights = model.weights[:, 0].tolist() if model.weights.shape[1] == 1 else None
        self._row_bias = float(model.bias[0])

    def respond(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Predict the rows of a request; return the response body and its content type.

        Raises formats.BadRequestError (400), UnsupportedMediaTypeError (415) and NotAcceptableError (406).
        """
        if content_type == CSV and self._row_weights is not None and b"\n" not in (row := body.rstrip()):
            response = self._respond_to_row(row, accept)
            if response is not None:
                return response
        rows = decode_request(body, content_type, self._expected)
        return encode_response(self.model.predictions(rows), accept)

    def _respond_to_row(self, body: bytes, accept: str) -> tuple[bytes, str] | None:
        """Predict one CSV row without numpy, which would be slower for one row; None if it needs general decoding."""
        weights = self._row_weights
        assert weights is not None
        try:
            cells = [float(cell) for cell in body.split(b",")]
        except ValueError:
            return None
        if len(cells) != len(weights) or b"_" in body or not -LARGEST <= min(cells) <= max(cells) <= LARGEST:
            return None
        margin = self._row_bias + sum(map(float.__mul__, cells, weights))
        if not -1e300 < margin < 1e300:  # also false for NaN
            return None
        score = _logistic(margin) if self.model.loss == "logistic" else margin
        label = 1 if margin >= self.model.threshold else 0
        is_classifier = self.model.predictor_type == "binary_classifier"
        if accept == CSV:
            return (f"{label},{score!r}\n" if is_classifier else f"{score!r}\n").encode(), CSV
        if accept in (JSON, "", "*/*"):
            label_field = f', "predicted_label": {label}' if is_classifier else ""
            return f'{{"predictions": [{{"score": {score!r}{label_field}}}]}}'.encode(), JSON
        return None


def _logistic(margin: float) -> float:
    if margin >= 0:
        return 1.0 / (1.0 + exp(-margin))
    e = exp(margin)
    return e / (1.0 + e)
