"""The descent of one model: L-BFGS with a preconditioner, or proximal Newton steps if there is an L1 penalty.

A Descent never sees data. It proposes parameters (`trial`) and receives the value and gradient there, so that many
descents can share one pass over the rows. L-BFGS: Nocedal and Wright, Numerical Optimization, chapter 7; without a
curvature matrix the L1 penalty is handled as in OWL-QN (Andrew and Gao, 2007).
"""

import numpy as np

from lowcloud.runtime.algorithms.linear_learner.preconditioner import Floats, Penalty, Preconditioner

MEMORY = 8
ARMIJO = 1e-4


class Descent:
    """Minimises f(p) + penalty(p) over flat parameters p."""

    def __init__(
        self, start: Floats, penalty: Penalty, preconditioner: Preconditioner | None, contraction: float = 1.0
    ):
        """`preconditioner` approximates the curvature of f and the L2 penalty; None leaves scaling to L-BFGS.

        `contraction` is the factor by which the first step is expected to reduce the decrement.
        """
        self.best = start
        self.value = np.inf
        self.decrement = np.inf  # estimate of how far the value is above its minimum
        self.contraction = contraction
        self.trial = start
        self._penalty = penalty
        self._has_l1 = penalty.has_l1
        self._preconditioner = preconditioner
        self._pairs: list[tuple[Floats, Floats]] = []
        self._gradient = np.zeros_like(start)  # of f and the L2 part
        self._direction = np.zeros_like(start)
        self._slope = 0.0
        self._step = 1.0
        self.is_stuck = False
        self.steps = 0

    def receive(self, value: float, gradient: Floats) -> None:
        """Receive f and its gradient at `trial`, and choose the next trial."""
        value += self._penalty.value(self.trial)
        gradient = gradient + self._penalty.l2 * self.trial
        noise = 1e-7 * abs(value)  # of a float32 pass
        if value > self.value + ARMIJO * self._step * self._slope + noise:
            self._backtrack()
            return
        if np.isfinite(self.value):
            self._add_pair(self.trial - self.best, gradient - self._gradient)
        previous = self.decrement if self._step == 1 else np.inf
        self.best, self.value, self._gradient = self.trial, value, gradient
        self.steps += 1
        self._choose_trial()
        if 0 < previous < np.inf:
            self.contraction = min(1.0, self.decrement / previous)

    @property
    def remaining(self) -> float:
        """Estimate of how far the next trial's value will be above the minimum."""
        return self.decrement * self.contraction

    def finish(self) -> Floats:
        """Return the final parameters: the next trial, not evaluated, if steps have been shrinking tenfold."""
        return self.trial if self.contraction < 0.1 and not self.is_stuck else self.best

    def _backtrack(self) -> None:
        self._step *= 0.3
        self.is_stuck = self._step < 1e-6
        self.trial = self._at(self._step)

    def _add_pair(self, step: Floats, gradient_change: Floats) -> None:
        if step @ gradient_change > 1e-12 * (gradient_change @ gradient_change):
            self._pairs = [*self._pairs[1 - MEMORY :], (step, gradient_change)]

    def _choose_trial(self) -> None:
        if self._has_l1 and self._preconditioner is not None:
            target = _minimise_quadratic(self._preconditioner.hessian, self._gradient, self.best, self._penalty.l1)
            self._direction = target - self.best
            gain = self._penalty.l1 @ (np.abs(target) - np.abs(self.best))
            self._slope = float(self._gradient @ self._direction + gain)
        else:
            steepest = self._steepest()
            self._direction = -self._apply_inverse_hessian(steepest)
            if self._has_l1:
                self._direction[self._direction * steepest >= 0] = 0
            self._slope = float(steepest @ self._direction)
        self.decrement = -0.5 * self._slope
        self._step = 1.0
        if self._preconditioner is None and not self._pairs:
            self._step = min(1.0, 1.0 / (np.abs(self._direction).sum() or 1.0))
        self.trial = self._at(self._step)

    def _at(self, step: float) -> Floats:
        point = self.best + step * self._direction
        if self._has_l1 and self._preconditioner is None:  # stay in the orthant of the gradient
            orthant = np.where(self.best != 0, np.sign(self.best), np.sign(self._direction))
            point[(np.sign(point) != orthant) & (self._penalty.l1 > 0)] = 0
        return point

    def _steepest(self) -> Floats:
        """Return the gradient or, with an L1 penalty, the minimum-norm subgradient."""
        if not self._has_l1:
            return self._gradient
        g, l1, p = self._gradient, self._penalty.l1, self.best
        at_zero = np.sign(g) * np.maximum(np.abs(g) - l1, 0)
        return np.where(p != 0, g + l1 * np.sign(p), at_zero)

    def _apply_inverse_hessian(self, vector: Floats) -> Floats:
        q = vector.copy()
        coefficients = []
        for step, gradient_change in reversed(self._pairs):
            coefficient = (step @ q) / (step @ gradient_change)
            q -= coefficient * gradient_change
            coefficients.append(coefficient)
        q = self._precondition(q)
        for (step, gradient_change), coefficient in zip(self._pairs, reversed(coefficients), strict=True):
            q += (coefficient - (gradient_change @ q) / (step @ gradient_change)) * step
        return q

    def _precondition(self, vector: Floats) -> Floats:
        if self._preconditioner is not None:
            return self._preconditioner.solve(vector)
        if self._pairs:
            step, gradient_change = self._pairs[-1]
            return vector * ((step @ gradient_change) / (gradient_change @ gradient_change))
        return vector


def _minimise_quadratic(hessian: Floats, gradient: Floats, start: Floats, l1: Floats) -> Floats:
    """Minimise gradient (u - start) + (u - start) H (u - start) / 2 + l1 abs(u) over u, by coordinate descent."""
    out = start.copy()
    blocks, size = hessian.shape[:2]
    for block in range(blocks):
        part = slice(block * size, (block + 1) * size)
        _descend_coordinates(hessian[block], gradient[part], out[part], l1[part])
    return out


def _descend_coordinates(h: Floats, gradient: Floats, u: Floats, l1: Floats) -> None:
    """Change u in place until a sweep no longer reduces the quadratic."""
    slope = gradient.copy()
    diagonal, penalties = h.diagonal().tolist(), l1.tolist()
    first = None
    for _ in range(1000):
        gain = 0.0
        for j, (second_derivative, penalty) in enumerate(zip(diagonal, penalties, strict=True)):
            old = float(u[j])
            z = second_derivative * old - float(slope[j])
            new = (z - penalty if z > penalty else z + penalty if z < -penalty else 0.0) / second_derivative
            if new != old:
                u[j] = new
                slope += (new - old) * h[j]
                gain += second_derivative * (new - old) ** 2
        first = gain if first is None else first
        if gain <= 1e-12 * first:
            return
