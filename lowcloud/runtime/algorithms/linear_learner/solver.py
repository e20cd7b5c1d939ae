"""The solver for optimizer=auto: few passes over the rows, accurate to early_stopping_tolerance.

With few features, Newton steps on growing random samples of the rows (the first with 20 rows per parameter) come close
to the minimum; the last sample's curvature then preconditions L-BFGS on all rows, which needs one to three passes. With
many features, the same is done without curvature. Losses with kinks are minimised with decreasing smoothing of the
kinks. All variants share every pass.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lowcloud.runtime.algorithms.linear_learner import preconditioner
from lowcloud.runtime.algorithms.linear_learner.descent import Descent
from lowcloud.runtime.algorithms.linear_learner.objective import Objective
from lowcloud.runtime.algorithms.linear_learner.preconditioner import Floats, Penalty

CHEAP_CURVATURE = 256  # parameters per output up to which a curvature matrix always saves time
MAX_CURVATURE = 1024  # up to which it saves time if features are correlated
MAX_IMBALANCE = 8.0  # Objective.imbalance up to which L-BFGS alone converges quickly
FEW_ROWS = 100  # rows per parameter up to which the curvature of all rows is affordable
ROUNDINGS = (2.0, 1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)
SAMPLED_ROUNDING = 0.003  # wider ones only give starting points, for which a sample of the rows is enough
SAMPLE_GROWTH = 8
FIRST_SAMPLE = 20  # rows per parameter
LAST_SAMPLE = 1300
STEPS_PER_CURVATURE = 5  # before a better curvature is computed
BACKTRACKING_PASSES = 12  # additional passes for shortening steps


@dataclass(frozen=True)
class StoppingRule:
    """Stop if the predicted relative gain of the next pass is below `tolerance`, or after `passes` over all rows."""

    tolerance: float
    passes: int


OnPass = Callable[[int, Floats, Floats], None]  # (pass, parameters, values)
ShouldStop = Callable[[], bool]  # the same on all hosts


def minimise(
    objective: Objective,
    start: Floats,
    penalties: Sequence[Penalty],
    stopping: StoppingRule,
    on_pass: OnPass,
    should_stop: ShouldStop,
) -> Floats:
    """Return the parameters (variants, outputs, features + 1) that minimise mean loss plus penalty.

    `start` has their shape; penalties has one entry per variant. The result is bitwise identical on all hosts.
    `should_stop` is asked after each pass over all rows, whose parameters are returned if it is true.
    """
    solver = _Solver(objective, penalties, stopping, on_pass, should_stop)
    parameters = start
    if not objective.loss.kink_unit:
        return solver.solve_smooth(objective, parameters)
    sample = objective.sample(max(20_000, 200 * start[0].size), seed=5)
    for rounding in ROUNDINGS:
        parameters = solver.solve_rounded(sample if rounding > SAMPLED_ROUNDING else objective, parameters, rounding)
        solver.report(parameters)
        if solver.is_stopped:
            break
    return parameters


class _Solver:
    """One minimisation: counts passes over all rows and reports them."""

    def __init__(
        self,
        objective: Objective,
        penalties: Sequence[Penalty],
        stopping: StoppingRule,
        on_pass: OnPass,
        should_stop: ShouldStop,
    ):
        self.penalties, self.stopping, self.on_pass, self.should_stop = penalties, stopping, on_pass, should_stop
        self.all_rows, self.passes, self.is_stopped = objective, 0, False

    def report(self, parameters: Floats) -> None:
        """Report the current parameters with their exact losses."""
        self.on_pass(self.passes, parameters, self.all_rows.evaluate(parameters)[0])
        self.passes += 1

    def solve_smooth(self, objective: Objective, parameters: Floats) -> Floats:
        size, tolerance = parameters[0].size, self.stopping.tolerance
        curves = _has_curvature(objective, parameters)
        curvature, contraction, rows = None, 1.0, FEW_ROWS * size
        for rows in _sample_sizes(objective.count, size, curves):
            sample = objective.sample(rows, seed=rows)
            near = 0.05 * size / sample.count
            if curves:
                parameters, curvature = self._newton(sample, parameters, near, rounds=6)
                contraction = min(1.0, 10 * size / sample.count)  # ten times the average for random rows
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
                passes=STEPS_PER_CURVATURE if curves else self.stopping.passes,
                contraction=contraction,
            )
            if self.is_stopped or not curves or self.passes >= self.stopping.passes or _are_done(descents, tolerance):
                return parameters
            # The sample's curvature was too inaccurate, e.g. for rare features: use more rows.
            curvature, contraction, rows = None, 1.0, rows * SAMPLE_GROWTH

    def solve_rounded(self, objective: Objective, parameters: Floats, rounding: float) -> Floats:
        tolerance = self.stopping.tolerance if rounding == ROUNDINGS[-1] else 1e-4
        rounding *= objective.loss.kink_unit
        if _has_curvature(objective, parameters):
            return self._newton(objective, parameters, tolerance, rounds=40, rounding=rounding)[0]
        return self._descend(
            objective, parameters, None, tolerance=tolerance, passes=self.stopping.passes, rounding=rounding
        )[0]

    def _newton(
        self, objective: Objective, parameters: Floats, tolerance: float, *, rounds: int, rounding: float = 0.0
    ) -> tuple[Floats, Floats]:
        """Run descents of a few steps, each with the curvature of the first variant at its start.

        If a kink is smoothed so little that few rows are affected, their curvature is misleading: wider smoothing is
        used once no step succeeds with it.
        """
        width = rounding
        curvature = objective.curvature(parameters[0], width)
        for _ in range(rounds):
            parameters, descents = self._descend(
                objective, parameters, curvature, tolerance=tolerance, passes=3, rounding=rounding
            )
            if self.is_stopped:
                break
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
        """Make up to `passes` steps from `parameters`; return the resulting parameters and the descents."""
        preconditioners = preconditioner.build_preconditioners(curvature, self.penalties)
        descents = [
            Descent(start.reshape(-1), penalty, own, contraction)
            for start, penalty, own in zip(parameters, self.penalties, preconditioners, strict=True)
        ]
        active = list(range(len(descents)))
        for _ in range(passes + BACKTRACKING_PASSES):
            trials = np.stack([descents[i].trial for i in active]).reshape(-1, *parameters.shape[1:])
            values, gradients = objective.only(active).evaluate(trials, rounding)
            if objective is self.all_rows and not rounding:
                self.on_pass(self.passes, trials, values)
                self.passes += 1
            for i, value, gradient in zip(active, values, gradients, strict=True):
                descents[i].receive(float(value), gradient.reshape(-1))
            active = [i for i in active if descents[i].steps <= passes and not _are_done([descents[i]], tolerance)]
            if objective is self.all_rows:
                self.is_stopped = self.is_stopped or self.should_stop()
            if not active or self.is_stopped:
                break
        return np.stack([descent.finish() for descent in descents]).reshape(parameters.shape), descents


def _are_done(descents: Sequence[Descent], tolerance: float) -> bool:
    return all(
        descent.is_stuck or descent.remaining <= tolerance * max(abs(descent.value), 1e-12) for descent in descents
    )


def _has_curvature(objective: Objective, parameters: Floats) -> bool:
    """Return whether computing a curvature matrix for these parameters takes less time than it saves."""
    outputs, size = parameters.shape[1:]
    if size <= CHEAP_CURVATURE:
        return bool(outputs * size <= 4 * MAX_CURVATURE)
    return bool(outputs == 1 and size <= MAX_CURVATURE and objective.imbalance() > MAX_IMBALANCE)


def _sample_sizes(rows: int, parameters: int, has_curvature: bool) -> list[int]:
    """Return increasing sample sizes, the last at most two fifths of all rows."""
    sizes = []
    size = max(1000, FIRST_SAMPLE * parameters) if has_curvature else max(1000, rows // 10)
    while size * 2.5 <= rows and size <= max(LAST_SAMPLE * parameters, 2000):
        sizes.append(size)
        size *= SAMPLE_GROWTH
    return sizes
