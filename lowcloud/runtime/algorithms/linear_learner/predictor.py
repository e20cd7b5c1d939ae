"""Answers of an endpoint: bytes of a request in, bytes of the predictions out."""

from math import exp

from lowcloud.runtime.algorithms.linear_learner.model import Model
from lowcloud.runtime.formats.inference import CSV, JSON, decode_request, encode_response


class LinearPredictor:
    """A loaded model behind an endpoint."""

    def __init__(self, model: Model):
        self.model = model
        self._row_weights = model.weights[:, 0].tolist() if model.weights.shape[1] == 1 else None
        self._row_bias = float(model.bias[0])

    def respond(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Predict the rows of a request: (body, content type) of the answer.

        Raises formats.BadRequest (400), UnsupportedMediaType (415) and NotAcceptable (406).
        """
        if content_type == CSV and self._row_weights is not None and b"\n" not in (row := body.strip()):
            answer = self._answer_row(row, accept)
            if answer is not None:
                return answer
        rows = decode_request(body, content_type, self.model.features)
        return encode_response(self.model.predictions(rows), accept)

    def _answer_row(self, body: bytes, accept: str) -> tuple[bytes, str] | None:
        """One CSV row without numpy, whose calls would cost more than the sum; None leaves it to the long way."""
        weights = self._row_weights
        assert weights is not None
        try:
            cells = [float(cell) for cell in body.split(b",")]
        except ValueError:
            return None
        if len(cells) != len(weights):
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
            decided = f', "predicted_label": {label}' if is_classifier else ""
            return f'{{"predictions": [{{"score": {score!r}{decided}}}]}}'.encode(), JSON
        return None


def _logistic(margin: float) -> float:
    if margin >= 0:
        return 1.0 / (1.0 + exp(-margin))
    e = exp(margin)
    return e / (1.0 + e)
