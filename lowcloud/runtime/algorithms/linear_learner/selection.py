"""Selection among models that are trained together.

Candidates are fitted on at most SELECTION_ROWS rows, all in the same passes, and compared on the validation channel.
Without one they are compared on held-out rows: by five-fold cross-validation if rows are few, otherwise on one fifth.
The fold of a row depends on its content, not on how rows are distributed over hosts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.algorithms.linear_learner.metrics import Criterion, choose_threshold
from lowcloud.runtime.algorithms.linear_learner.objective import Objective, TrainingRows
from lowcloud.runtime.collectives import ProcessGroup

Floats = NDArray[np.float64]
Fit = Callable[[Objective], Floats]  # -> parameters (variants, outputs, features + 1)

SELECTION_ROWS = 32_768
CROSS_VALIDATED_ROWS = 20_000  # up to this number every row is held out once
FOLDS = 5


@dataclass(frozen=True)
class HeldOutMargins:
    """Margins (rows, variants * outputs) and labels of rows that the models were not fitted on, of all hosts."""

    margins: NDArray[np.float32]
    labels: NDArray[np.float32]
    losses: Floats  # (variants,)


def evaluate_candidates(objective: Objective, validation: Objective | None, fit: Fit) -> HeldOutMargins:
    """Fit all variants and return their margins on rows that they were not fitted on."""
    sample = objective.sample(SELECTION_ROWS, seed=1)
    if validation is not None:
        return evaluate_fitted(validation.sample(SELECTION_ROWS, seed=2), fit(sample))
    fold = folds(sample.rows)
    parts = []
    for held in range(FOLDS if sample.count <= CROSS_VALIDATED_ROWS else 1):
        kept, out = sample.narrow(np.flatnonzero(fold != held)), sample.narrow(np.flatnonzero(fold == held))
        if kept.count and out.count:
            parts.append(evaluate_fitted(out, fit(kept)))
    if not parts:  # all rows are alike
        return evaluate_fitted(sample, fit(sample))
    counts = np.array([len(part.labels) for part in parts])
    losses = np.average([part.losses for part in parts], axis=0, weights=counts)
    return HeldOutMargins(
        np.concatenate([part.margins for part in parts]), np.concatenate([part.labels for part in parts]), losses
    )


def folds(rows: TrainingRows) -> NDArray[np.uint32]:
    """Return the fold (rows,) of each row, from a hash of its bits and label; equal rows have the same fold."""
    multipliers = np.random.default_rng(0).integers(1 << 31, 1 << 32, rows.x.shape[1] + 1, dtype=np.uint32) | 1
    fold = np.ascontiguousarray(rows.y).view(np.uint32) * multipliers[-1]
    for start in range(0, len(rows.x), 4096):
        bits = np.ascontiguousarray(rows.x[start : start + 4096]).view(np.uint32)
        mixed = (bits ^ (bits >> 15)) * multipliers[:-1]
        fold[start : start + 4096] += np.bitwise_xor.reduce(mixed ^ (mixed >> 13), axis=1)
    fold ^= fold >> 16
    return np.asarray((fold * np.uint32(0x85EBCA6B) >> 8) % FOLDS)


def select_best(held_out: HeldOutMargins, variants: int, criterion: Criterion | None, samples: int) -> int:
    """Return the index of the best variant by the criterion, if there is one, and by the loss."""
    if criterion is None or criterion.is_loss:
        return int(np.argmin(held_out.losses))
    columns = held_out.margins.reshape(len(held_out.margins), variants, -1)[:samples, :, 0]
    labels = held_out.labels[:samples]
    scores = [choose_threshold(columns[:, index], labels, criterion)[1] for index in range(variants)]
    top = max(scores)
    # Thresholds are chosen on the same rows: variants within one standard error of the best are compared by loss.
    error = np.sqrt(max(top * (1 - top), 0.0) / max(len(labels), 1))
    losses = np.where(np.array(scores) >= top - error, held_out.losses, np.inf)
    return int(np.argmin(losses))


def gather(process_group: ProcessGroup, local: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the rows (rows, ...) of all hosts, in the order of ranks."""
    if process_group.size == 1:
        return local
    parts = process_group.gather(np.ascontiguousarray(local, np.float32).tobytes())
    return np.concatenate([np.frombuffer(part, np.float32).reshape(-1, *local.shape[1:]) for part in parts])


def evaluate_fitted(objective: Objective, parameters: Floats) -> HeldOutMargins:
    """Return margins and losses of parameters (variants, outputs, features + 1) on an objective's rows."""
    process_group = objective.process_group
    losses = objective.evaluate(parameters)[0] if objective.count else np.zeros(len(parameters))
    return HeldOutMargins(
        gather(process_group, objective.margins(parameters)), gather(process_group, objective.rows.y), losses
    )


def margins_of_variant(held_out: HeldOutMargins, index: int, variants: int) -> Sequence[NDArray[np.float32]]:
    """Return margins (rows,) and labels (rows,) of one variant with one output."""
    return held_out.margins.reshape(len(held_out.margins), variants, -1)[:, index, 0], held_out.labels
