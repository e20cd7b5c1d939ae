"""xgboost: gradient boosted trees, SageMaker's algorithm of that name on XGBoost's own library.

Read training.py first. data.py reads the channels, boosting.py runs the rounds, serving.py answers an endpoint's
requests; library.py and booster.py are what they call XGBoost by.
"""

from pathlib import Path

from lowcloud.runtime.algorithms.xgboost import library
from lowcloud.runtime.algorithms.xgboost.serving import XGBoostPredictor
from lowcloud.runtime.algorithms.xgboost.training import train

__all__ = ["load", "preload", "train"]


def load(model_folder: Path, *options: str) -> XGBoostPredictor:
    """The predictor of a stored model; option one-line has CSV answers in one line. Raises serving.UnreadableModel."""
    return XGBoostPredictor(model_folder, is_one_line="one-line" in options)


def preload() -> None:
    """Load the library, where it is installed."""
    if library.find() is not None:
        library.load()
