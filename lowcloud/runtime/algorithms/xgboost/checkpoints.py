"""Checkpoints of a running job: the last few models, as xgboost-checkpoint.ROUND."""

import re
import time
from pathlib import Path

from lowcloud.runtime.algorithms.xgboost import library
from lowcloud.runtime.algorithms.xgboost.booster import Booster

NAME = re.compile(r"xgboost-checkpoint\.(\d+)")
UNFINISHED = ".sagemaker-ignore"  # files with this suffix are not uploaded
MAX_CHECKPOINTS = 5
MAX_TIME_SHARE = 0.1  # of the training time that may be spent on checkpoints


class Checkpoints:
    """The checkpoint folder of a job; with None, no checkpoints are written."""

    def __init__(self, folder: Path | None):
        self.folder = folder
        self._due_at = 0.0

    def latest(self) -> tuple[bytes, int]:
        """Return the newest readable model and its number of rounds; b"" and 0 if there is none."""
        for number, path in reversed(self._present()):
            content = path.read_bytes()
            try:
                Booster().load_bytes(content)
            except library.XGBoostLibraryError:
                print(f"{path.name} cannot be read; trying the previous checkpoint.", flush=True)
                continue
            return content, number + 1
        return b"", 0

    def save(self, booster: Booster, number: int, is_last: bool = False) -> None:
        """Store the model of a round, unless the last one was stored too recently."""
        started = time.monotonic()
        if self.folder is None or (started < self._due_at and not is_last):
            return
        unfinished = self.folder / f"xgboost-checkpoint.{number}{UNFINISHED}"
        unfinished.write_bytes(booster.to_bytes())
        unfinished.replace(self.folder / f"xgboost-checkpoint.{number}")
        for _, path in self._present()[:-MAX_CHECKPOINTS]:
            path.unlink()
        self._due_at = time.monotonic() + (time.monotonic() - started) / MAX_TIME_SHARE

    def _present(self) -> list[tuple[int, Path]]:
        if self.folder is None:
            return []
        found = ((NAME.fullmatch(path.name), path) for path in self.folder.iterdir())
        return sorted((int(match[1]), path) for match, path in found if match)
