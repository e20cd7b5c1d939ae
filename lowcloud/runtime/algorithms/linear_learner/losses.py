"""The losses of linear-learner: value, slope and curvature as functions of the margin.

Margins z are (rows,) for one output, otherwise (rows, outputs); labels y broadcast against them: 0 or 1 for two
classes, the class for several, the number for a regressor. Losses with kinks are smoothed over a half width `rounding`,
which the solver reduces towards 0; at 0 they are exact.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
ValueAndSlope = tuple[Array, Array]  # value per row and variant, slope per margin


@dataclass(frozen=True)
class Loss:
    """A loss. `objective` is its name in SageMaker's log lines."""

    name: str
    objective: str
    value_and_slope: Callable[[Array, Array, float], ValueAndSlope]  # (z, y, rounding)
    curvature: Callable[[Array, Array, float], Array]
    kink_unit: float = 0.0  # 0: the loss has no kinks; otherwise the unit of `rounding`


@dataclass(frozen=True)
class LossParameters:
    """The parameters of the losses, in units of the scaled label."""

    huber_delta: float = 1.0
    insensitivity: float = 0.01
    quantile: float = 0.5
    margin: float = 1.0
    classes: int = 0
    spread: float = 1.0  # the label's standard deviation


def make_loss(name: str, parameters: LossParameters) -> Loss:
    """Return the loss with this name."""
    return LOSSES[name](name, parameters)


def _make_logistic(name: str, _: LossParameters) -> Loss:
    return Loss(name, "binary_classification_cross_entropy_objective", _logistic, _logistic_curvature)


def _make_hinge(name: str, shape: LossParameters) -> Loss:
    return Loss(
        name,
        "binary_classification_hinge_objective",
        lambda z, y, rounding: _hinge(z, y, shape.margin, rounding),
        lambda z, y, rounding: _inside(shape.margin - (2 * y - 1) * z, rounding),
        kink_unit=shape.margin,
    )


def _make_softmax(name: str, shape: LossParameters) -> Loss:
    return Loss(
        name,
        "multiclass_cross_entropy_objective",
        lambda z, y, _: _softmax(z, y, shape.classes),
        lambda z, _, __: _softmax_curvature(z, shape.classes),
    )


def _make_squared(name: str, _: LossParameters) -> Loss:
    return Loss(name, "mse_objective", _squared, lambda z, *_: np.full_like(z, 2.0))


def _make_huber(name: str, shape: LossParameters) -> Loss:
    delta = shape.huber_delta
    return Loss(
        name,
        "huber_objective",
        lambda z, y, _: _huber(z - y, delta),
        lambda z, y, _: (np.abs(z - y) <= delta).astype(z.dtype),
    )


def _make_insensitive_squared(name: str, shape: LossParameters) -> Loss:
    insensitivity = shape.insensitivity
    return Loss(
        name,
        "eps_insensitive_squared_objective",
        lambda z, y, _: _insensitive_squared(z - y, insensitivity),
        lambda z, y, _: np.where(np.abs(z - y) > insensitivity, 2.0, 0.0).astype(z.dtype),
    )


def _make_ramps(name: str, shape: LossParameters) -> Loss:
    """Return the loss of the sum of weight * max(0, sign * (z - y) - offset)."""
    ramps = {
        "absolute_loss": ((1.0, 1.0, 0.0), (1.0, -1.0, 0.0)),
        "quantile_loss": ((shape.quantile, -1.0, 0.0), (1.0 - shape.quantile, 1.0, 0.0)),
        "eps_insensitive_absolute_loss": ((1.0, 1.0, shape.insensitivity), (1.0, -1.0, shape.insensitivity)),
    }[name]

    def curvature(z: Array, y: Array, rounding: float) -> Array:
        corners = (weight * _inside(sign * (z - y) - offset, rounding) for weight, sign, offset in ramps)
        return sum(corners, start=np.zeros_like(z))

    return Loss(
        name,
        f"{name.removesuffix('_loss')}_objective",
        lambda z, y, rounding: _ramps(z - y, ramps, rounding),
        curvature,
        kink_unit=shape.spread,
    )


def _logistic(z: Array, y: Array, _: float) -> ValueAndSlope:
    sign = 2 * y - 1
    t = sign * z
    e = np.exp(-np.maximum(t, -80))  # e**88 would overflow float32
    u = 1 + e
    return np.maximum(np.log(u), -t), -sign * (e / u)


def _logistic_curvature(z: Array, *_: Any) -> Array:
    e = np.exp(-np.abs(z))
    return np.asarray(e / (1 + e) ** 2)


def _softmax(z: Array, y: Array, classes: int) -> ValueAndSlope:
    """z is (rows, variants * classes), y (rows,) or (rows, 1)."""
    cube = z.reshape(len(z), -1, classes)
    top = cube.max(axis=2, keepdims=True)
    slope = np.exp(cube - top)
    total = slope.sum(axis=2, keepdims=True)
    slope /= total
    index = np.broadcast_to(y.reshape(-1, 1, 1).astype(np.intp), (*cube.shape[:2], 1))
    value = np.log(total) + top - np.take_along_axis(cube, index, axis=2)
    np.put_along_axis(slope, index, np.take_along_axis(slope, index, axis=2) - 1, axis=2)
    return value[:, :, 0], slope.reshape(z.shape)


def _softmax_curvature(z: Array, classes: int) -> Array:
    """Return the diagonal over the classes: p (1 - p)."""
    cube = z.reshape(len(z), -1, classes)
    p = np.exp(cube - cube.max(axis=2, keepdims=True))
    p /= p.sum(axis=2, keepdims=True)
    return np.asarray(p * (1 - p)).reshape(z.shape)


def _squared(z: Array, y: Array, _: float) -> ValueAndSlope:
    error = z - y
    return error * error, 2 * error


def _huber(error: Array, delta: float) -> ValueAndSlope:
    """Half the square up to delta, continued linearly."""
    slope = np.clip(error, -delta, delta)
    return slope * (error - 0.5 * slope), slope


def _insensitive_squared(error: Array, insensitivity: float) -> ValueAndSlope:
    beyond = error - np.clip(error, -insensitivity, insensitivity)
    return beyond * beyond, 2 * beyond


def _hinge(z: Array, y: Array, margin: float, rounding: float) -> ValueAndSlope:
    sign = 2 * y - 1
    value, slope = _ramp(margin - sign * z, rounding)
    return value, -sign * slope


def _ramps(error: Array, ramps: tuple[tuple[float, float, float], ...], rounding: float) -> ValueAndSlope:
    value, slope = np.zeros_like(error), np.zeros_like(error)
    for weight, sign, offset in ramps:
        ramp, rise = _ramp(sign * error - offset, rounding)
        value += weight * ramp
        slope += (weight * sign) * rise
    return value, slope


def _ramp(t: Array, rounding: float) -> ValueAndSlope:
    """max(0, t), with a parabola for |t| < rounding."""
    if not rounding:
        return np.maximum(t, 0), (t > 0).astype(t.dtype)
    corner = np.clip(t + rounding, 0, 2 * rounding)
    return corner * corner / (4 * rounding) + np.maximum(t - rounding, 0), corner / (2 * rounding)


def _inside(t: Array, rounding: float) -> Array:
    return (np.abs(t) < rounding).astype(t.dtype) / (2 * rounding)


LOSSES: dict[str, Callable[[str, LossParameters], Loss]] = {
    "logistic": _make_logistic,
    "hinge_loss": _make_hinge,
    "softmax_loss": _make_softmax,
    "squared_loss": _make_squared,
    "huber_loss": _make_huber,
    "eps_insensitive_squared_loss": _make_insensitive_squared,
    "absolute_loss": _make_ramps,
    "quantile_loss": _make_ramps,
    "eps_insensitive_absolute_loss": _make_ramps,
}
