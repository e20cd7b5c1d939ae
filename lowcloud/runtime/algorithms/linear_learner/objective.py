"""The mean loss of several linear models over all rows of all hosts, with its gradient and curvature.

Parameters are (variants, outputs, features + 1), the bias last, in units where features have been shifted and scaled;
the rows themselves stay as they were read, float32, and the shift and scale are folded into the weights. Rows are taken
in blocks that stay in the processor's cache while margins, slopes and gradient are computed.
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
class Scaling:
    """What features are shifted by and divided by, each (features,)."""

    shift: Floats
    scale: Floats

    def fold(self, parameters: Floats) -> tuple[Floats, Floats]:
        """Parameters (..., features + 1) as weights (..., features) and bias (...) for rows as they are."""
        weights = parameters[..., :-1] / self.scale
        return weights, parameters[..., -1] - weights @ self.shift


@dataclass(frozen=True)
class Rows:
    """What is fitted: x (rows, features) float32; y (rows,) float32; class_weights (variants, classes) or None."""

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    class_weights: NDArray[np.float32] | None = None

    def take(self, index: NDArray[np.intp]) -> "Rows":
        # take, not x[index]: a quarter of the time
        return Rows(self.x.take(index, axis=0), self.y.take(index), self.class_weights)


class Objective:
    """The mean loss over the rows of all hosts. Every host calls the same methods in the same order."""

    def __init__(
        self, rows: Rows, scaling: Scaling, loss: Loss, *, outputs: int, use_bias: bool, process_group: ProcessGroup
    ):
        self.rows, self.scaling, self.loss = rows, scaling, loss
        self.outputs, self.use_bias, self.process_group = outputs, use_bias, process_group
        self.features = rows.x.shape[1]
        weight = np.array([float(len(rows.x))]) if rows.class_weights is None else self._weight_sums(rows)
        total = process_group.sum(np.concatenate([[float(len(rows.x))], weight]))
        self.count, self._weight = int(total[0]), total[1:]

    def sample(self, count: int, seed: int) -> "Objective":
        """About `count` rows of all hosts' drawn at random; all of them where they are not many more."""
        if count * 2 >= self.count:
            return self
        own = len(self.rows.x)
        share = own * count // self.count
        places = np.arange(share) + np.random.default_rng(seed + self.process_group.rank).random(share)
        return self.narrow((places * (own / max(share, 1))).astype(np.intp))  # one from each of `share` strata

    def narrow(self, index: NDArray[np.intp]) -> "Objective":
        """The same over some of this host's rows."""
        return Objective(
            self.rows.take(index),
            self.scaling,
            self.loss,
            outputs=self.outputs,
            use_bias=self.use_bias,
            process_group=self.process_group,
        )

    def only(self, variants: list[int]) -> "Objective":
        """The same for some of the variants."""
        weights = self.rows.class_weights
        if weights is None or len(variants) == len(weights):
            return self
        some = copy(self)
        some.rows, some._weight = replace(self.rows, class_weights=weights[variants]), self._weight[variants]
        return some

    def evaluate(self, parameters: Floats, rounding: float = 0.0) -> tuple[Floats, Floats]:
        """Mean loss (variants,) and its gradient, of the parameters' shape."""
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
        """Second derivative in each output's own parameters: (outputs, features + 1, features + 1).

        parameters is (outputs, features + 1), one variant.
        """
        weights, bias = (part.astype(np.float32) for part in self.scaling.fold(parameters))
        size = self.features + 1
        total = np.zeros((self.outputs, size, size))
        for x, y in self._blocks(self.outputs):
            z = x @ weights.T + bias
            bend = self.loss.curvature(z, y[:, None], rounding)
            bend = bend if self.rows.class_weights is None else bend * self._row_weights(y)[:, :1]
            for output in range(self.outputs):
                root = np.sqrt(bend[:, output])
                scaled = x * root[:, None]
                total[output, :-1, :-1] += scaled.T @ scaled
                total[output, -1, :-1] += root @ scaled
                total[output, -1, -1] += bend[:, output].sum(dtype=np.float64)
        total = self.process_group.sum(total) / self._weight[0]
        return self._unfold_curvature(total)

    def imbalance(self) -> float:
        """The largest eigenvalue of the features' second moments beside their mean; about 1 for independent features.

        By power iteration on a sample of four rows a feature.
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
        """This host's margins (rows, variants * outputs)."""
        weights, bias = (part.astype(np.float32) for part in self.scaling.fold(parameters))
        width = weights.size // self.features
        return np.asarray(self.rows.x @ weights.reshape(width, -1).T + bias.reshape(-1))

    def _blocks(self, width: int) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        step = max(64, BLOCK_VALUES // (self.features + width))
        for start in range(0, len(self.rows.x), step):
            yield self.rows.x[start : start + step], self.rows.y[start : start + step]

    def _row_weights(self, y: NDArray[np.float32]) -> NDArray[np.float32]:
        """(rows, variants)"""
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
    def _weight_sums(rows: Rows) -> Floats:
        assert rows.class_weights is not None
        counts = np.bincount(rows.y.astype(np.intp), minlength=rows.class_weights.shape[1])
        return np.asarray(rows.class_weights @ counts.astype(np.float64))

    def _per_variant(self) -> Floats:
        return self._weight.reshape(-1, 1, 1)

    def _unfold(self, gradient: Floats, slopes: Floats) -> Floats:
        """Gradient (width, features) in the rows' units, and its bias part (width,), in the parameters' units."""
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
