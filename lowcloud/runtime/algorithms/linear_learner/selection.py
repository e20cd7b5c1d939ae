"""The choice between models trained side by side.

Candidates are fitted on at most SELECTION_ROWS rows, all in the same passes, and compared on the validation channel.
Without one they are compared on rows that were held out: five times a fifth where rows are few, else one fifth. Which
fifth a row belongs to follows from its content, so that it does not depend on the hosts the rows are spread over.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.algorithms.linear_learner.metrics import Criterion, choose_threshold
from lowcloud.runtime.algorithms.linear_learner.objective import Objective, Rows
from lowcloud.runtime.collectives import ProcessGroup

Floats = NDArray[np.float64]
Fit = Callable[[Objective], Floats]  # -> parameters (variants, outputs, features + 1)

SELECTION_ROWS = 32_768
FOLDED_ROWS = 20_000  # up to here every row is held out once
FOLDS = 5


@dataclass(frozen=True)
class Judged:
    """Margins of rows that the models had not seen, (rows, variants * outputs), with their labels, of all hosts."""

    margins: NDArray[np.float32]
    labels: NDArray[np.float32]
    losses: Floats  # (variants,)


def judge(objective: Objective, validation: Objective | None, fit: Fit) -> Judged:
    """Fit all variants and take their margins on rows that they were not fitted on."""
    sample = objective.sample(SELECTION_ROWS, seed=1)
    if validation is not None:
        return judge_fitted(validation.sample(SELECTION_ROWS, seed=2), fit(sample))
    fold = folds(sample.rows)
    parts = []
    for held in range(FOLDS if sample.count <= FOLDED_ROWS else 1):
        kept, out = sample.narrow(np.flatnonzero(fold != held)), sample.narrow(np.flatnonzero(fold == held))
        if kept.count and out.count:
            parts.append(judge_fitted(out, fit(kept)))
    if not parts:  # all rows are alike
        return judge_fitted(sample, fit(sample))
    counts = np.array([len(part.labels) for part in parts])
    losses = np.average([part.losses for part in parts], axis=0, weights=counts)
    return Judged(
        np.concatenate([part.margins for part in parts]), np.concatenate([part.labels for part in parts]), losses
    )


def folds(rows: Rows) -> NDArray[np.uint32]:
    """A fold (rows,) from the bits of each row and its label; equal rows share it."""
    multipliers = np.random.default_rng(0).integers(1 << 31, 1 << 32, rows.x.shape[1] + 1, dtype=np.uint32) | 1
    fold = np.ascontiguousarray(rows.y).view(np.uint32) * multipliers[-1]
    for start in range(0, len(rows.x), 4096):
        bits = np.ascontiguousarray(rows.x[start : start + 4096]).view(np.uint32)
        mixed = (bits ^ (bits >> 15)) * multipliers[:-1]
        fold[start : start + 4096] += np.bitwise_xor.reduce(mixed ^ (mixed >> 13), axis=1)
    fold ^= fold >> 16
    return np.asarray((fold * np.uint32(0x85EBCA6B) >> 8) % FOLDS)


def best_of(judged: Judged, variants: int, criterion: Criterion | None, samples: int) -> int:
    """The index of the best variant by the criterion, where there is one, and by the loss."""
    if criterion is None or criterion.is_loss:
        return int(np.argmin(judged.losses))
    columns = judged.margins.reshape(len(judged.margins), variants, -1)[:samples, :, 0]
    labels = judged.labels[:samples]
    found = [choose_threshold(columns[:, index], labels, criterion)[1] for index in range(variants)]
    top = max(found)
    # Thresholds are chosen on these very rows: what lies within one standard error of the best is told apart by loss.
    error = np.sqrt(max(top * (1 - top), 0.0) / max(len(labels), 1))
    losses = np.where(np.array(found) >= top - error, judged.losses, np.inf)
    return int(np.argmin(losses))


def gather(process_group: ProcessGroup, local: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows (rows, ...) of every host, in the order of ranks."""
    if process_group.size == 1:
        return local
    parts = process_group.gather(np.ascontiguousarray(local, np.float32).tobytes())
    return np.concatenate([np.frombuffer(part, np.float32).reshape(-1, *local.shape[1:]) for part in parts])


def judge_fitted(objective: Objective, parameters: Floats) -> Judged:
    """Margins and losses of parameters (variants, outputs, features + 1) on an objective's rows."""
    process_group = objective.process_group
    losses = objective.evaluate(parameters)[0] if objective.count else np.zeros(len(parameters))
    return Judged(gather(process_group, objective.margins(parameters)), gather(process_group, objective.rows.y), losses)


def only(judged: Judged, index: int, variants: int) -> Sequence[NDArray[np.float32]]:
    """Margins (rows,) and labels (rows,) of one variant with one output."""
    return judged.margins.reshape(len(judged.margins), variants, -1)[:, index, 0], judged.labels
