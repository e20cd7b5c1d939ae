"""The mean loss of several linear models over all rows of all hosts, with its gradient and curvature.

Parameters are (variants, outputs, features + 1), the bias last, for shifted and scaled features; the float32 rows are
kept as read, and shift and scale are folded into the weights. Rows are processed in blocks that stay in the processor's
cache while margins, slopes and gradient are computed.
"""

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.algorithms.linear_learner.losses import Loss
from lowcloud.runtime.collectives import ProcessGroup

BLOCK_VALUES = 3 << 17  # 1.5 MB of float32
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FeatureScaling:
    """The shift of features and the scale by which they are then divided, each (features,)."""

    shift: Floats
    scale: Floats

    def fold(self, parameters: Floats) -> tuple[Floats, Floats]:
        """Convert parameters (..., features + 1) to weights (..., features) and bias (...) for unscaled rows."""
        weights = parameters[..., :-1] / self.scale
        return weights, parameters[..., -1] - weights @ self.shift


@dataclass(frozen=True)
class TrainingRows:
    """Training data: x (rows, features) float32; y (rows,) float32; class_weights (variants, classes) or None."""

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    class_weights: NDArray[np.float32] | None = None

    def take(self, index: NDArray[np.intp]) -> "TrainingRows":
        # take() needs a quarter of the time of x[index]
        return TrainingRows(self.x.take(index, axis=0), self.y.take(index), self.class_weights)


class Objective:
    """The mean loss over the rows of all hosts. Every host calls the same methods in the same order."""

    def __init__(
        self,
        rows: TrainingRows,
        scaling: FeatureScaling,
        loss: Loss,
        *,
        outputs: int,
        use_bias: bool,
        process_group: ProcessGroup,
    ):
        self.rows, self.scaling, self.loss = rows, scaling, loss
        self.outputs, self.use_bias, self.process_group = outputs, use_bias, process_group
        self.features = rows.x.shape[1]
        weight = np.array([float(len(rows.x))]) if rows.class_weights is None else self._weight_sums(rows)
        total = process_group.sum(np.concatenate([[float(len(rows.x))], weight]))
        self.count, self._weight = int(total[0]), total[1:]

    def sample(self, count: int, seed: int) -> "Objective":
        """Return the objective over about `count` random rows of all hosts, or over all if they are not many more."""
        if count * 2 >= self.count:
            return self
        own_rows = len(self.rows.x)
        strata = own_rows * count // self.count
        positions = np.arange(strata) + np.random.default_rng(seed + self.process_group.rank).random(strata)
        return self.narrow((positions * (own_rows / max(strata, 1))).astype(np.intp))  # one row from each stratum

    def narrow(self, index: NDArray[np.intp]) -> "Objective":
        """Return the objective over some of this host's rows."""
        return Objective(
            self.rows.take(index),
            self.scaling,
            self.loss,
            outputs=self.outputs,
            use_bias=self.use_bias,
            process_group=self.process_group,
        )

    def only(self, variants: list[int]) -> "Objective":
        """Return the objective of some of the variants."""
        weights = self.rows.class_weights
        if weights is None or len(variants) == len(weights):
            return self
        some = copy(self)
        some.rows, some._weight = replace(self.rows, class_weights=weights[variants]), self._weight[variants]
        return some

    def evaluate(self, parameters: Floats, rounding: float = 0.0) -> tuple[Floats, Floats]:
        """Return the mean loss (variants,) and its gradient, in the parameters' shape."""
        variants = len(parameters)
        width = variants * self.outputs
        weights, bias = (part.astype(np.float32) for part in self.scaling.fold(parameters))
        weights = weights.reshape(width, -1).T
        weights = np.ascontiguousarray(weights[:, 0] if width == 1 else weights)
        sums = np.zeros(variants + width + width * self.features)
        losses, slopes = sums[:variants], sums[variants : variants + width]
        gradient = sums[variants + width :].reshape(width, self.features)
        for x, y in self._blocks(width):
            z = x @ weights
            z += bias.reshape(-1)
            value, slope = self.loss.value_and_slope(z, y if width == 1 else y[:, None], rounding)
            value, slope = self._weigh(value, slope, y)
            losses += value.sum(axis=0, dtype=np.float64)
            slopes += slope.sum(axis=0, dtype=np.float64)
            gradient += slope.T @ x
        sums = self.process_group.sum(sums)
        losses, slopes = sums[:variants], sums[variants : variants + width]
        gradient = sums[variants + width :].reshape(width, self.features)
        return losses / self._weight, self._unfold(gradient, slopes).reshape(parameters.shape) / self._per_variant()

    def curvature(self, parameters: Floats, rounding: float = 0.0) -> Floats:
        """Return the second derivative in each output's own parameters: (outputs, features + 1, features + 1).

        parameters is (outputs, features + 1), one variant.
        """
        weights, bias = (part.astype(np.float32) for part in self.scaling.fold(parameters))
        size = self.features + 1
        total = np.zeros((self.outputs, size, size))
        for x, y in self._blocks(self.outputs):
            z = x @ weights.T + bias
            second_derivative = self.loss.curvature(z, y[:, None], rounding)
            second_derivative = (
                second_derivative
                if self.rows.class_weights is None
                else second_derivative * self._row_weights(y)[:, :1]
            )
            for output in range(self.outputs):
                root = np.sqrt(second_derivative[:, output])
                scaled = x * root[:, None]
                total[output, :-1, :-1] += scaled.T @ scaled
                total[output, -1, :-1] += root @ scaled
                total[output, -1, -1] += second_derivative[:, output].sum(dtype=np.float64)
        total = self.process_group.sum(total) / self._weight[0]
        return self._unfold_curvature(total)

    def imbalance(self) -> float:
        """Return the largest eigenvalue of the features' second moments relative to their mean.

        It is about 1 for independent features. Uses power iteration on a sample of four rows per feature.
        """
        sample = self.sample(4 * self.features, seed=6)
        scaling, process_group = self.scaling, self.process_group
        direction = np.random.default_rng(0).standard_normal(self.features)
        largest = 0.0
        for _ in range(10):
            direction = direction / max(float(np.linalg.norm(direction)), 1e-300)
            along = direction / scaling.scale
            u = sample.rows.x @ along.astype(np.float32) - np.float32(along @ scaling.shift)
            raw: Floats = process_group.sum(
                np.append((u @ sample.rows.x).astype(np.float64), float(u.sum(dtype=np.float64)))
            )
            direction = (raw[:-1] - raw[-1] * scaling.shift) / scaling.scale
            largest = float(np.linalg.norm(direction))
        squares = np.square((sample.rows.x - scaling.shift.astype(np.float32)) / scaling.scale.astype(np.float32))
        total = float(process_group.sum(np.array([squares.sum(dtype=np.float64)]))[0])
        return float(largest * self.features / max(total, 1e-300))

    def margins(self, parameters: Floats) -> NDArray[np.float32]:
        """Return this host's margins (rows, variants * outputs)."""
        weights, bias = (part.astype(np.float32) for part in self.scaling.fold(parameters))
        width = weights.size // self.features
        return np.asarray(self.rows.x @ weights.reshape(width, -1).T + bias.reshape(-1))

    def _blocks(self, width: int) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        step = max(64, BLOCK_VALUES // (self.features + width))
        for start in range(0, len(self.rows.x), step):
            yield self.rows.x[start : start + step], self.rows.y[start : start + step]

    def _row_weights(self, y: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the weights (rows, variants)."""
        assert self.rows.class_weights is not None
        return self.rows.class_weights[:, y.astype(np.intp)].T

    def _weigh(self, value: Any, slope: Any, y: NDArray[np.float32]) -> tuple[Any, Any]:
        if self.rows.class_weights is None:
            return value, slope
        weights = self._row_weights(y)
        if slope.ndim == 1:
            return value * weights[:, 0], slope * weights[:, 0]
        return value * weights, slope * np.repeat(weights, slope.shape[1] // weights.shape[1], axis=1)

    @staticmethod
    def _weight_sums(rows: TrainingRows) -> Floats:
        assert rows.class_weights is not None
        counts = np.bincount(rows.y.astype(np.intp), minlength=rows.class_weights.shape[1])
        return np.asarray(rows.class_weights @ counts.astype(np.float64))

    def _per_variant(self) -> Floats:
        return self._weight.reshape(-1, 1, 1)

    def _unfold(self, gradient: Floats, slopes: Floats) -> Floats:
        """Convert a gradient (width, features) and its bias part (width,) from the rows' to the parameters' units."""
        out = np.empty((len(slopes), self.features + 1))
        out[:, :-1] = (gradient - slopes[:, None] * self.scaling.shift) / self.scaling.scale
        out[:, -1] = slopes if self.use_bias else 0.0
        return out

    def _unfold_curvature(self, total: Floats) -> Floats:
        shift, scale = self.scaling.shift, self.scaling.scale
        cross, corner = total[:, -1, :-1], total[:, -1, -1]
        mixed = cross[:, :, None] * shift
        inner = total[:, :-1, :-1] - mixed - mixed.transpose(0, 2, 1) + corner[:, None, None] * np.outer(shift, shift)
        out = np.zeros_like(total)
        out[:, :-1, :-1] = inner / np.outer(scale, scale)
        if self.use_bias:
            out[:, -1, :-1] = out[:, :-1, -1] = (cross - corner[:, None] * shift) / scale
            out[:, -1, -1] = corner
        else:
            out[:, -1, -1] = 1.0
        return out
