"""xgboost: gradient boosted trees with the interface of SageMaker's algorithm of that name, on XGBoost's library.

Start with training.py. data.py reads the channels, boosting.py runs the rounds, serving.py answers an endpoint's
requests; library.py and booster.py are the interface to XGBoost.
"""

from pathlib import Path

from lowcloud.runtime.algorithms.xgboost import library
from lowcloud.runtime.algorithms.xgboost.serving import XGBoostPredictor
from lowcloud.runtime.algorithms.xgboost.training import train

__all__ = ["load", "preload", "train"]


def load(model_folder: Path, *options: str) -> XGBoostPredictor:
    """Load the predictor of a stored model; the option one-line gives CSV responses in one line.

    Raises serving.UnreadableXGBoostModelError.
    """
    return XGBoostPredictor(model_folder, is_one_line="one-line" in options)


def preload() -> None:
    """Load the library if it is installed."""
    if library.find() is not None:
        library.load()
