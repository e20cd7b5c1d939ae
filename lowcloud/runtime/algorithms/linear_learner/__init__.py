"""linear-learner: linear and logistic models after SageMaker's algorithm of that name.

Read training.py first. The losses are in losses.py, their minimisation in solver.py (our own, for optimizer=auto) and
minibatch.py (sgd, adam, rmsprop), the choice between models in selection.py.
"""

from pathlib import Path

from lowcloud.runtime.algorithms.linear_learner.model import load as load_model
from lowcloud.runtime.algorithms.linear_learner.predictor import LinearPredictor
from lowcloud.runtime.algorithms.linear_learner.training import train

__all__ = ["load", "train"]


def load(model_folder: Path) -> LinearPredictor:
    """The predictor of a stored model. Raises model.UnreadableModel."""
    return LinearPredictor(load_model(model_folder))
