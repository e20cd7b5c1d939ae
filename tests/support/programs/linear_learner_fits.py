"""Fits of linear-learner without a job."""

import numpy as np

from lowcloud.runtime.algorithms.linear_learner.fitting import Fitter, LinearFit
from lowcloud.runtime.algorithms.linear_learner.settings import LinearLearnerSettings
from lowcloud.runtime.collectives import ProcessGroup, SingleProcessGroup
from lowcloud.runtime.formats.table import DenseTable
from lowcloud.runtime.stop_request import StopRequest

PLAIN = {"num_models": "1", "normalize_data": "false", "normalize_label": "false", "early_stopping_tolerance": "1e-7"}


def table(x: np.ndarray, y: np.ndarray) -> DenseTable:
    filled = DenseTable()
    filled.set_columns(x.shape[1] + 1, "a test")
    filled.append(x, y, "a test")
    return filled


def fit(
    x: np.ndarray,
    y: np.ndarray,
    validation: tuple[np.ndarray, np.ndarray] | None = None,
    process_group: ProcessGroup | None = None,
    stop: StopRequest | None = None,
    **hyperparameters: object,
) -> LinearFit:
    settings = LinearLearnerSettings({name: str(value) for name, value in hyperparameters.items()})
    beside = None if validation is None else table(*validation)
    return Fitter(settings, table(x, y), beside, process_group or SingleProcessGroup(), lambda *_: None, stop).fit()


def features(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    """Correlated, unequally scaled columns."""
    random = np.random.default_rng(seed)
    mixed = random.standard_normal((rows, columns)) @ (
        np.eye(columns) + 0.3 * random.standard_normal((columns, columns))
    )
    return (mixed * np.linspace(0.5, 2, columns) + np.linspace(-1, 1, columns)).astype(np.float32)
