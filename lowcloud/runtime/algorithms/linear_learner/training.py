"""One training job of linear-learner, from its channels to the stored model."""

from typing import TYPE_CHECKING

import numpy as np

from lowcloud import contract
from lowcloud.runtime.algorithms.linear_learner.model import Model, save
from lowcloud.runtime.errors import ClientError
from lowcloud.schemas.linear_learner import SCHEMA

if TYPE_CHECKING:
    from lowcloud.runtime.train import Job


def train(job: "Job") -> None:
    """Read, fit, report, save."""
    values = SCHEMA.validate(job.hyperparameters)
    feature_dim = None if values["feature_dim"] == "auto" else int(values["feature_dim"])
    table = job.channels["train"].read(feature_dim)
    if not len(table):
        raise ClientError("Channel train has no rows.")
    x, y = table.features.astype(np.float64), table.labels
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    deviation[deviation == 0] = 1
    z = np.column_stack([(x - mean) / deviation, np.ones(len(x))])
    w = np.zeros(z.shape[1])
    for epoch in range(15):
        p = 1 / (1 + np.exp(-z @ w))
        w -= np.linalg.solve((z.T * (p * (1 - p))) @ z / len(z) + np.eye(len(w)) / len(z), z.T @ (p - y) / len(z))
        loss = float(np.logaddexp(0, -(2 * y - 1) * (z @ w)).mean())
        job.report.quality("train", "binary_classification_cross_entropy_objective", loss, "loss", epoch)
        job.report.progress((epoch + 1) * 100 // 15)
    weights = (w[:-1] / deviation)[:, None]
    model = Model("binary_classifier", "logistic", weights, np.array([w[-1] - float(mean @ weights[:, 0])]))
    job.report.quality("train", "binary_classification_accuracy", float((model.predict(x) == y).mean()), "score")
    save(model, job.base / contract.MODEL)
