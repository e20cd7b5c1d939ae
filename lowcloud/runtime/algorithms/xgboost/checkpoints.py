"""Checkpoints of a running job: the model after a round, as xgboost-checkpoint.ROUND, the last few kept."""

import re
import time
from pathlib import Path

from lowcloud.runtime.algorithms.xgboost import library
from lowcloud.runtime.algorithms.xgboost.booster import Booster

NAME = re.compile(r"xgboost-checkpoint\.(\d+)")
UNFINISHED = ".sagemaker-ignore"  # what ends so is not copied away
KEPT = 5
SHARE = 0.1  # of the time that may go into checkpoints, so that thousands of rounds are not held up by them


class Checkpoints:
    """The folder of a job's checkpoints; None keeps none."""

    def __init__(self, folder: Path | None):
        self.folder = folder
        self._due_at = 0.0

    def latest(self) -> tuple[bytes, int]:
        """The newest readable model, and the rounds it has behind it; nothing and 0 where there is none."""
        for number, path in reversed(self._present()):
            content = path.read_bytes()
            try:
                Booster().load_bytes(content)
            except library.XGBoostLibraryError:
                print(f"{path.name} cannot be read; the one before it is tried.", flush=True)
                continue
            return content, number + 1
        return b"", 0

    def keep(self, booster: Booster, number: int, is_last: bool = False) -> None:
        """Store the model after a round, unless the last one was stored but a moment ago."""
        started = time.monotonic()
        if self.folder is None or (started < self._due_at and not is_last):
            return
        unfinished = self.folder / f"xgboost-checkpoint.{number}{UNFINISHED}"
        unfinished.write_bytes(booster.to_bytes())
        unfinished.replace(self.folder / f"xgboost-checkpoint.{number}")
        for _, path in self._present()[:-KEPT]:
            path.unlink()
        self._due_at = time.monotonic() + (time.monotonic() - started) / SHARE

    def _present(self) -> list[tuple[int, Path]]:
        if self.folder is None:
            return []
        found = ((NAME.fullmatch(path.name), path) for path in self.folder.iterdir())
        return sorted((int(match[1]), path) for match, path in found if match)
