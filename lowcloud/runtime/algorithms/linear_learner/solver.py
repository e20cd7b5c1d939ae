"""Our own minimiser of linear models, for optimizer=auto: few passes over the rows, exact to early_stopping_tolerance.

Where features are few, Newton steps on growing random samples of the rows (the first of 20 rows a parameter) lead close
to the minimum; the last sample's curvature then preconditions L-BFGS on all rows, which needs one to three passes.
Where features are many, the same without curvature. Losses with kinks are minimised for a falling rounding of the
kinks. All variants share every pass.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lowcloud.runtime.algorithms.linear_learner import preconditioner
from lowcloud.runtime.algorithms.linear_learner.descent import Descent
from lowcloud.runtime.algorithms.linear_learner.objective import Objective
from lowcloud.runtime.algorithms.linear_learner.preconditioner import Floats, Penalty

CHEAP_CURVATURE = 256  # parameters of one output up to which a curvature matrix always pays
MOST_CURVATURE = 1024  # and up to which it pays where features depend on each other
BALANCED = 8.0  # Objective.imbalance of features that L-BFGS alone is quick with
FEW_ROWS = 100  # rows a parameter up to which the curvature of all rows is affordable
ROUNDINGS = (2.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)
SAMPLED_ROUNDING = 0.003  # wider ones only lead the way: a sample of the rows will do
SAMPLE_GROWTH = 8
FIRST_SAMPLE = 20  # rows a parameter
LAST_SAMPLE = 1300
STEPS = 5  # with one curvature, before a better one is sought
SHORTENINGS = 12  # passes that may go to finding a step short enough


@dataclass(frozen=True)
class Effort:
    """When to stop: a predicted relative gain of the next pass below `tolerance`, or after `passes` over all rows."""

    tolerance: float
    passes: int


OnPass = Callable[[int, Floats, Floats], None]  # (pass, parameters, values)


def minimise(
    objective: Objective, start: Floats, penalties: Sequence[Penalty], effort: Effort, on_pass: OnPass
) -> Floats:
    """The parameters (variants, outputs, features + 1) of least mean loss plus penalty.

    `start` has their shape; penalties has one entry a variant. Every host gets the same bits.
    """
    solver = _Solver(objective, penalties, effort, on_pass)
    parameters = start
    if not objective.loss.kink_unit:
        return solver.solve_smooth(objective, parameters)
    sample = objective.sample(max(20_000, 200 * start[0].size), seed=5)
    for rounding in ROUNDINGS:
        parameters = solver.solve_rounded(sample if rounding > SAMPLED_ROUNDING else objective, parameters, rounding)
        solver.report(parameters)
    return parameters


class _Solver:
    """One minimisation: counts passes over all rows and reports them."""

    def __init__(self, objective: Objective, penalties: Sequence[Penalty], effort: Effort, on_pass: OnPass):
        self.penalties, self.effort, self.on_pass = penalties, effort, on_pass
        self.whole, self.passes = objective, 0

    def report(self, parameters: Floats) -> None:
        """Tell of the parameters reached, with the losses as they are without rounding."""
        self.on_pass(self.passes, parameters, self.whole.evaluate(parameters)[0])
        self.passes += 1

    def solve_smooth(self, objective: Objective, parameters: Floats) -> Floats:
        size, tolerance = parameters[0].size, self.effort.tolerance
        curves = _has_curvature(objective, parameters)
        curvature, contraction, rows = None, 1.0, FEW_ROWS * size
        for rows in _sample_sizes(objective.count, size, curves):
            sample = objective.sample(rows, seed=rows)
            near = 0.05 * size / sample.count
            if curves:
                parameters, curvature = self._newton(sample, parameters, near, rounds=6)
                contraction = min(1.0, 10 * size / sample.count)  # ten times what random rows leave on average
            else:
                parameters, _ = self._descend(sample, parameters, None, tolerance=near, passes=30)
        while True:
            if curves and curvature is None:
                curvature = objective.sample(rows, seed=7).curvature(parameters[0])
            parameters, descents = self._descend(
                objective,
                parameters,
                curvature,
                tolerance=tolerance,
                passes=STEPS if curves else self.effort.passes,
                contraction=contraction,
            )
            if not curves or self.passes >= self.effort.passes or _are_done(descents, tolerance):
                return parameters
            # The sample has shown too little of the curvature, e.g. of rare features: take it from more rows.
            curvature, contraction, rows = None, 1.0, rows * SAMPLE_GROWTH

    def solve_rounded(self, objective: Objective, parameters: Floats, rounding: float) -> Floats:
        tolerance = self.effort.tolerance if rounding == ROUNDINGS[-1] else 1e-4
        rounding *= objective.loss.kink_unit
        if _has_curvature(objective, parameters):
            return self._newton(objective, parameters, tolerance, rounds=40, rounding=rounding)[0]
        return self._descend(
            objective, parameters, None, tolerance=tolerance, passes=self.effort.passes, rounding=rounding
        )[0]

    def _newton(
        self, objective: Objective, parameters: Floats, tolerance: float, *, rounds: int, rounding: float = 0.0
    ) -> tuple[Floats, Floats]:
        """Descents of a few steps, each with the curvature of where it starts: that of the first variant.

        Where a kink is rounded so little that few rows lie in the rounding, their curvature misleads: a wider one is
        taken once no step can be made with it.
        """
        width = rounding
        curvature = objective.curvature(parameters[0], width)
        for _ in range(rounds):
            parameters, descents = self._descend(
                objective, parameters, curvature, tolerance=tolerance, passes=3, rounding=rounding
            )
            if all(descent.steps == 1 for descent in descents):
                width *= 4
            if _are_done(descents, tolerance) and (not rounding or width > 64 * rounding or not descents[0].is_stuck):
                break
            curvature = objective.curvature(parameters[0], width)
        return parameters, curvature

    def _descend(
        self,
        objective: Objective,
        parameters: Floats,
        curvature: Floats | None,
        *,
        tolerance: float,
        passes: int,
        rounding: float = 0.0,
        contraction: float = 1.0,
    ) -> tuple[Floats, list[Descent]]:
        """Up to `passes` steps from `parameters`: where they led, and how they went."""
        conditioned = preconditioner.make(curvature, self.penalties)
        descents = [
            Descent(start.reshape(-1), penalty, own, contraction)
            for start, penalty, own in zip(parameters, self.penalties, conditioned, strict=True)
        ]
        moving = list(range(len(descents)))
        for _ in range(passes + SHORTENINGS):
            trials = np.stack([descents[i].trial for i in moving]).reshape(-1, *parameters.shape[1:])
            values, gradients = objective.only(moving).evaluate(trials, rounding)
            if objective is self.whole and not rounding:
                self.on_pass(self.passes, trials, values)
                self.passes += 1
            for i, value, gradient in zip(moving, values, gradients, strict=True):
                descents[i].tell(float(value), gradient.reshape(-1))
            moving = [i for i in moving if descents[i].steps <= passes and not _are_done([descents[i]], tolerance)]
            if not moving:
                break
        return np.stack([descent.finish() for descent in descents]).reshape(parameters.shape), descents


def _are_done(descents: Sequence[Descent], tolerance: float) -> bool:
    return all(
        descent.is_stuck or descent.remaining <= tolerance * max(abs(descent.value), 1e-12) for descent in descents
    )


def _has_curvature(objective: Objective, parameters: Floats) -> bool:
    """Whether a curvature matrix of these parameters costs less than the passes it saves."""
    outputs, size = parameters.shape[1:]
    if size <= CHEAP_CURVATURE:
        return bool(outputs * size <= 4 * MOST_CURVATURE)
    return bool(outputs == 1 and size <= MOST_CURVATURE and objective.imbalance() > BALANCED)


def _sample_sizes(rows: int, parameters: int, has_curvature: bool) -> list[int]:
    """Growing counts of rows, the last at most two fifths of all."""
    sizes = []
    size = max(1000, FIRST_SAMPLE * parameters) if has_curvature else max(1000, rows // 10)
    while size * 2.5 <= rows and size <= max(LAST_SAMPLE * parameters, 2000):
        sizes.append(size)
        size *= SAMPLE_GROWTH
    return sizes
