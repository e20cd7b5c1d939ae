"""linear-learner: linear and logistic models with the interface of SageMaker's algorithm of that name.

Start with training.py. The losses are in losses.py, the optimizers in solver.py (for optimizer=auto) and minibatch.py
(sgd, adam, rmsprop), the model selection in selection.py.
"""

from pathlib import Path

from lowcloud.runtime.algorithms.linear_learner.model import load as load_model
from lowcloud.runtime.algorithms.linear_learner.predictor import LinearPredictor
from lowcloud.runtime.algorithms.linear_learner.training import train

__all__ = ["load", "train"]


def load(model_folder: Path) -> LinearPredictor:
    """Load the predictor of a stored model. Raises model.UnreadableLinearModelError."""
    return LinearPredictor(load_model(model_folder))
