"""Preconditioners: the curvature of the loss with a model's penalty on the diagonal, and its inverse."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Penalty:
    """The penalty 0.5 * sum(l2 * p**2) + sum(l1 * abs(p)); l2 and l1 have the parameters' flat shape."""

    l2: Floats
    l1: Floats

    @property
    def has_l1(self) -> bool:
        return bool(self.l1.any())

    def value(self, parameters: Floats) -> float:
        return float(0.5 * self.l2 @ (parameters * parameters) + self.l1 @ np.abs(parameters))


@dataclass(frozen=True)
class Preconditioner:
    """A block diagonal `hessian` (outputs, n, n), and a function that multiplies a flat vector by its inverse."""

    hessian: Floats
    solve: Callable[[Floats], Floats]


def build_preconditioners(curvature: Floats | None, penalties: Sequence[Penalty]) -> list[Preconditioner | None]:
    """Return the preconditioner of each model; `curvature` (outputs, n, n), without penalties, is common to all."""
    if curvature is None:
        return [None] * len(penalties)
    blocks, size = curvature.shape[:2]
    # A ridge far below the data's curvature keeps the matrix invertible for constant or duplicate columns.
    mean = np.einsum("bii->b", curvature) / size
    ridged = curvature + np.eye(size) * (1e-7 * np.maximum(mean, 1e-12))[:, None, None]
    if len(penalties) < 4 or any(penalty.has_l1 for penalty in penalties):
        return [_exact(ridged, penalty.l2.reshape(blocks, size)) for penalty in penalties]
    values, vectors = np.linalg.eigh(ridged)
    return [_shared(ridged, values, vectors, float(penalty.l2.max())) for penalty in penalties]


def _exact(curvature: Floats, l2: Floats) -> Preconditioner:
    hessian = curvature + l2[:, :, None] * np.eye(l2.shape[1])
    inverse = np.linalg.inv(hessian).astype(np.float64)
    return Preconditioner(hessian, lambda vector: _apply(inverse, vector))


def _shared(curvature: Floats, values: Floats, vectors: Floats, wd: float) -> Preconditioner:
    """Use one decomposition for all models; the bias counts as penalised, which only makes steps less accurate."""
    shrink = 1 / (np.maximum(values, 0) + wd).reshape(-1)
    transposed = vectors.transpose(0, 2, 1)
    return Preconditioner(
        curvature, lambda vector: _apply(vectors, np.asarray(shrink * _apply(transposed, vector), np.float64))
    )


def _apply(blocks: Floats, vector: Floats) -> Floats:
    return np.asarray(blocks @ vector.reshape(len(blocks), -1, 1)).reshape(-1)
