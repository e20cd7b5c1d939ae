"""Checkpoints of XGBoost's training: `xgboost-checkpoint.N` after round N, of which the last five are kept."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from typing import Any

NAME = "xgboost-checkpoint"
KEPT = 5
DEFAULT_ROUNDS = 10  # of xgboost.train


def train(train_args: Mapping[str, Any], checkpoint_dir: str) -> Any:
    """Call xgboost.train with these arguments, from the last checkpoint in a folder on, and write further ones there.

    The number of rounds counts those before the checkpoint.
    """
    import xgboost

    model, done = load_checkpoint(checkpoint_dir)
    if model is not None:
        print(f"Checkpoint loaded from {model}.\nResuming from iteration {done}.", flush=True)
    arguments = dict(train_args)
    rounds = arguments.pop("num_boost_round", DEFAULT_ROUNDS) - done
    if rounds <= 0 and model is not None:
        return _read(model)
    callbacks = [*(arguments.pop("callbacks", None) or ()), save_checkpoint(checkpoint_dir, start_iteration=done)]
    return xgboost.train(**arguments, num_boost_round=rounds, xgb_model=model and _read(model), callbacks=callbacks)


def load_checkpoint(checkpoint_dir: str, max_try: int = KEPT) -> tuple[str | None, int]:
    """Return the last checkpoint that can be read, and the number of rounds that it has; (None, 0) without one."""
    import xgboost

    for done, path in sorted(_checkpoints(checkpoint_dir), reverse=True)[:max_try]:
        try:
            _read(path)
        except xgboost.core.XGBoostError as error:
            print(f"{path} cannot be read, the one before it is tried: {error}", flush=True)
            continue
        return path, done
    return None, 0


def save_checkpoint(
    checkpoint_dir: str,
    start_iteration: int = 0,
    max_to_keep: int = KEPT,
    num_round: int | None = None,
    rank: int = 0,
    **_settings: Any,
) -> Any:
    """Return a callback of xgboost.train that writes a checkpoint after each round, on the first host."""
    import xgboost

    os.makedirs(checkpoint_dir, exist_ok=True)

    class SaveCheckpoint(xgboost.callback.TrainingCallback):
        """Writes a checkpoint after each round."""

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            if rank == 0:
                path = os.path.join(checkpoint_dir, f"{NAME}.{start_iteration + epoch}")
                draft = f"{path}.sagemaker-uploading"
                with open(draft, "wb") as file:
                    file.write(model.save_raw("ubj"))
                os.replace(draft, path)
                for _, old in sorted(_checkpoints(checkpoint_dir))[:-max_to_keep]:
                    os.remove(old)
            return False

    return SaveCheckpoint()


def _read(path: str) -> Any:
    """Return the booster of a checkpoint; from bytes, because XGBoost warns of a file's suffix."""
    import xgboost

    with open(path, "rb") as file:
        return xgboost.Booster(model_file=bytearray(file.read()))


def _checkpoints(folder: str) -> list[tuple[int, str]]:
    """Return how many rounds each checkpoint of a folder has, and its path."""
    paths = glob.glob(os.path.join(glob.escape(folder), f"{NAME}.*"))
    return [(int(end) + 1, path) for path in paths if (end := path.rpartition(".")[2]).isdigit()]
