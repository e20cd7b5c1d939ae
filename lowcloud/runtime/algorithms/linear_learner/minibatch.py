"""Minibatch optimizers for optimizer=sgd, adam or rmsprop.

Adam: Kingma and Ba, 2015. RMSProp: Hinton's lecture 6e. The L1 penalty is applied as a proximal step. In every step
each host draws mini_batch_size of its own rows, and gradients are weighted by rows; a host without remaining rows
contributes none.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lowcloud.runtime.algorithms.linear_learner.objective import Objective
from lowcloud.runtime.algorithms.linear_learner.preconditioner import Floats, Penalty

RATES = {"sgd": 0.1, "adam": 0.005, "rmsprop": 0.005}


@dataclass(frozen=True)
class Optimizer:
    """The settings of an optimizer; see docs/algorithms/linear-learner.md for the meaning of auto."""

    name: str
    momentum: float
    beta_1: float
    beta_2: float
    bias_rate: float  # as a multiple of the learning rate
    batch: int
    epochs: int
    scheduler: tuple[int, float, float] | None  # (steps, factor, minimum rate)
    seed: int = 0


def read_optimizer(values: Mapping[str, Any]) -> Optimizer:
    """Return the optimizer that typed hyperparameters select."""

    def number(name: str, auto: float) -> float:
        return auto if values[name] == "auto" else float(values[name])

    scheduler = (
        int(number("lr_scheduler_step", 10)),
        number("lr_scheduler_factor", 0.99),
        number("lr_scheduler_minimum_lr", 1e-5),
    )
    return Optimizer(
        name="adam" if values["optimizer"] == "auto" else str(values["optimizer"]),
        momentum=number("momentum", 0.0),
        beta_1=number("beta_1", 0.9),
        beta_2=number("beta_2", 0.999),
        bias_rate=number("bias_lr_mult", 1.0),
        batch=int(values["mini_batch_size"]),
        epochs=int(values["epochs"]),
        scheduler=scheduler if values["use_lr_scheduler"] else None,
    )


def minimise(
    objective: Objective,
    start: Floats,
    penalties: Sequence[Penalty],
    *,
    rates: Floats,
    optimizer: Optimizer,
    on_epoch: Callable[[int, Floats], bool],
) -> Floats:
    """Return the parameters (variants, outputs, features + 1) after the last epoch.

    rates (variants,) are the initial learning rates. `on_epoch` receives epoch and parameters, and returns whether to
    continue.
    """
    shape = start.shape
    l2 = np.stack([penalty.l2 for penalty in penalties]).reshape(shape)
    l1 = np.stack([penalty.l1 for penalty in penalties]).reshape(shape)
    parameters, moments, step = start.copy(), (np.zeros(shape), np.zeros(shape)), 0
    own_rows = len(objective.rows.x)
    counts = objective.process_group.gather(str(own_rows).encode())
    steps = -(-max(map(int, counts)) // optimizer.batch)
    multiples = np.ones(shape)
    multiples[..., -1] = optimizer.bias_rate
    for epoch in range(optimizer.epochs):
        order = np.random.default_rng((optimizer.seed, objective.process_group.rank, epoch)).permutation(own_rows)
        for first in range(0, steps * optimizer.batch, optimizer.batch):
            batch = objective.narrow(np.sort(order[first : first + optimizer.batch]))
            if not batch.count:
                continue
            _, gradient = batch.evaluate(parameters)
            gradient += l2 * parameters
            step += 1
            rate = _scheduled(rates, optimizer, step).reshape(-1, 1, 1) * multiples
            parameters -= rate * _direction(gradient, moments, optimizer, step)
            if l1.any():
                parameters = np.sign(parameters) * np.maximum(np.abs(parameters) - rate * l1, 0)
        if not on_epoch(epoch, parameters):
            break
    return parameters


def _scheduled(rates: Floats, optimizer: Optimizer, step: int) -> Floats:
    if optimizer.scheduler is None:
        return rates
    interval, factor, minimum = optimizer.scheduler
    return np.maximum(rates * factor ** (step // interval), np.minimum(minimum, rates))


def _direction(gradient: Floats, moments: tuple[Floats, Floats], optimizer: Optimizer, step: int) -> Floats:
    """Return the direction of the step, and update the moments."""
    first, second = moments
    if optimizer.name == "sgd":
        first *= optimizer.momentum
        first += gradient
        return first
    beta_1, beta_2 = (optimizer.beta_1, optimizer.beta_2) if optimizer.name == "adam" else (0.0, 0.9)
    first += (1 - beta_1) * (gradient - first)
    second += (1 - beta_2) * (gradient * gradient - second)
    if optimizer.name == "rmsprop":
        return np.asarray(gradient / (np.sqrt(second) + 1e-8))
    return np.asarray(first / (1 - beta_1**step) / (np.sqrt(second / (1 - beta_2**step)) + 1e-8))
