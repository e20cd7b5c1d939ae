"""LitServe with a scikit-learn model, as in its documentation: `python litserve_server.py MODEL PORT`."""

import pickle
import sys
from pathlib import Path

import litserve
import numpy as np


class RowModel(litserve.LitAPI):
    """Takes a CSV row in JSON, and returns the probability of the positive class."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe passes it by this name
        with Path(sys.argv[1]).open("rb") as file:
            self.model = pickle.load(file)

    def decode_request(self, request: dict[str, str]) -> np.ndarray:
        return np.array([[float(cell) for cell in request["row"].split(",")]])

    def predict(self, x: np.ndarray) -> float:
        return float(self.model.predict_proba(x)[0, 1])

    def encode_response(self, output: float) -> dict[str, float]:
        return {"score": output}


if __name__ == "__main__":
    server = litserve.LitServer(RowModel(), accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1", port=int(sys.argv[2]), num_api_servers=1, generate_client_file=False, log_level="error"
    )
