"""The losses of linear-learner: value, slope and curvature in the margin.

Margins z are (rows,) for one output, else (rows, outputs); labels y broadcast against them: 0 or 1 for two classes,
the class for many, the number for a regressor. Losses with kinks are rounded off over a half width `rounding`, which
the solver shrinks towards 0; at 0 they are themselves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Parts = tuple[Array, Array]  # value a row and variant, slope a margin


@dataclass(frozen=True)
class Loss:
    """One loss. `objective` is its name in SageMaker's log lines."""

    name: str
    objective: str
    value_and_slope: Callable[[Array, Array, float], Parts]  # (z, y, rounding)
    curvature: Callable[[Array, Array, float], Array]
    kink_unit: float = 0.0  # 0: the loss has no kinks; else the scale that a rounding is relative to


@dataclass(frozen=True)
class Shape:
    """The parameters of the losses that have some, in units of the label that is trained on."""

    huber_delta: float = 1.0
    insensitivity: float = 0.01
    quantile: float = 0.5
    margin: float = 1.0
    classes: int = 0
    spread: float = 1.0  # the label's deviation


def make(name: str, shape: Shape) -> Loss:
    """The loss of that name."""
    return MAKERS[name](name, shape)


def _make_logistic(name: str, _: Shape) -> Loss:
    return Loss(name, "binary_classification_cross_entropy_objective", _logistic, _logistic_curvature)


def _make_hinge(name: str, shape: Shape) -> Loss:
    return Loss(
        name,
        "binary_classification_hinge_objective",
        lambda z, y, rounding: _hinge(z, y, shape.margin, rounding),
        lambda z, y, rounding: _inside(shape.margin - (2 * y - 1) * z, rounding),
        kink_unit=shape.margin,
    )


def _make_softmax(name: str, shape: Shape) -> Loss:
    return Loss(
        name,
        "multiclass_cross_entropy_objective",
        lambda z, y, _: _softmax(z, y, shape.classes),
        lambda z, _, __: _softmax_curvature(z, shape.classes),
    )


def _make_squared(name: str, _: Shape) -> Loss:
    return Loss(name, "mse_objective", _squared, lambda z, *_: np.full_like(z, 2.0))


def _make_huber(name: str, shape: Shape) -> Loss:
    delta = shape.huber_delta
    return Loss(
        name,
        "huber_objective",
        lambda z, y, _: _huber(z - y, delta),
        lambda z, y, _: (np.abs(z - y) <= delta).astype(z.dtype),
    )


def _make_insensitive_squared(name: str, shape: Shape) -> Loss:
    still = shape.insensitivity
    return Loss(
        name,
        "eps_insensitive_squared_objective",
        lambda z, y, _: _insensitive_squared(z - y, still),
        lambda z, y, _: np.where(np.abs(z - y) > still, 2.0, 0.0).astype(z.dtype),
    )


def _make_ramps(name: str, shape: Shape) -> Loss:
    """Sums of weight * max(0, sign * (z - y) - offset)."""
    ramps = {
        "absolute_loss": ((1.0, 1.0, 0.0), (1.0, -1.0, 0.0)),
        "quantile_loss": ((shape.quantile, -1.0, 0.0), (1.0 - shape.quantile, 1.0, 0.0)),
        "eps_insensitive_absolute_loss": ((1.0, 1.0, shape.insensitivity), (1.0, -1.0, shape.insensitivity)),
    }[name]

    def bend(z: Array, y: Array, rounding: float) -> Array:
        corners = (weight * _inside(sign * (z - y) - offset, rounding) for weight, sign, offset in ramps)
        return sum(corners, start=np.zeros_like(z))

    return Loss(
        name,
        f"{name.removesuffix('_loss')}_objective",
        lambda z, y, rounding: _ramps(z - y, ramps, rounding),
        bend,
        kink_unit=shape.spread,
    )


def _logistic(z: Array, y: Array, _: float) -> Parts:
    sign = 2 * y - 1
    t = sign * z
    e = np.exp(-np.maximum(t, -80))  # e**88 would overflow float32
    u = 1 + e
    return np.maximum(np.log(u), -t), -sign * (e / u)


def _logistic_curvature(z: Array, *_: Any) -> Array:
    e = np.exp(-np.abs(z))
    return np.asarray(e / (1 + e) ** 2)


def _softmax(z: Array, y: Array, classes: int) -> Parts:
    """z (rows, variants * classes), y (rows,) or (rows, 1)."""
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
    """The diagonal in the classes: p (1 - p)."""
    cube = z.reshape(len(z), -1, classes)
    p = np.exp(cube - cube.max(axis=2, keepdims=True))
    p /= p.sum(axis=2, keepdims=True)
    return np.asarray(p * (1 - p)).reshape(z.shape)


def _squared(z: Array, y: Array, _: float) -> Parts:
    error = z - y
    return error * error, 2 * error


def _huber(error: Array, delta: float) -> Parts:
    """Half the square up to delta, and the line that continues it."""
    slope = np.clip(error, -delta, delta)
    return slope * (error - 0.5 * slope), slope


def _insensitive_squared(error: Array, insensitivity: float) -> Parts:
    beyond = error - np.clip(error, -insensitivity, insensitivity)
    return beyond * beyond, 2 * beyond


def _hinge(z: Array, y: Array, margin: float, rounding: float) -> Parts:
    sign = 2 * y - 1
    value, slope = _ramp(margin - sign * z, rounding)
    return value, -sign * slope


def _ramps(error: Array, ramps: tuple[tuple[float, float, float], ...], rounding: float) -> Parts:
    value, slope = np.zeros_like(error), np.zeros_like(error)
    for weight, sign, offset in ramps:
        ramp, rise = _ramp(sign * error - offset, rounding)
        value += weight * ramp
        slope += (weight * sign) * rise
    return value, slope


def _ramp(t: Array, rounding: float) -> Parts:
    """max(0, t), its corner replaced by a parabola over |t| < rounding."""
    if not rounding:
        return np.maximum(t, 0), (t > 0).astype(t.dtype)
    corner = np.clip(t + rounding, 0, 2 * rounding)
    return corner * corner / (4 * rounding) + np.maximum(t - rounding, 0), corner / (2 * rounding)


def _inside(t: Array, rounding: float) -> Array:
    return (np.abs(t) < rounding).astype(t.dtype) / (2 * rounding)


MAKERS: dict[str, Callable[[str, Shape], Loss]] = {
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
