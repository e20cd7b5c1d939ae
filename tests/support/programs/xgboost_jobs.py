"""Training jobs of xgboost in the test's own process, and the booster that XGBoost itself trains on the same data."""

import io
import re
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import xgboost

from lowcloud import contract
from lowcloud.catalog import algorithms
from lowcloud.runtime.training import train
from tests.support.programs.training_programs import Ended, write_job_folder

RNG = np.random.default_rng(0)
X = RNG.normal(size=(600, 6)).astype(np.float32)
SIGNAL = X[:, 0] + X[:, 1] * X[:, 2] + 0.3 * RNG.normal(size=600)
TWO = (SIGNAL > 0).astype(float)
THREE = np.digitize(SIGNAL, [-0.5, 0.5]).astype(float)
BINARY: dict[str, object] = {"num_round": 6, "objective": "binary:logistic", "max_depth": 3}


def as_csv(x: np.ndarray, y: np.ndarray, *more: np.ndarray) -> bytes:
    table = np.column_stack([y, *more, x])
    return "".join(",".join("" if np.isnan(cell) else str(cell) for cell in row) + "\n" for row in table).encode()


def as_libsvm(x: np.ndarray, y: np.ndarray) -> bytes:
    lines = (
        f"{label} " + " ".join(f"{c}:{v}" for c, v in enumerate(row) if v) for row, label in zip(x, y, strict=True)
    )
    return "\n".join(lines).encode()


def job(base: Path, parameters: dict[str, object], content_type: str | None = None, **channels: bytes) -> Ended:
    """One job, in this process, which is quicker than one of its own."""
    write_job_folder(base, parameters, channels, content_type=content_type)
    log = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(log), redirect_stderr(log):
        patch.setenv(contract.BASE_DIR_VARIABLE, str(base))
        code = train.main(["xgboost"])
    return Ended(base, code, log.getvalue())


def stored(ended: Ended, name: str = "xgboost-model") -> xgboost.Booster:
    assert ended.code == 0, ended.log
    booster = xgboost.Booster()
    booster.load_model(ended.base / contract.MODEL / name)
    return booster


def plain(parameters: dict[str, object], data: xgboost.DMatrix, **more: object) -> xgboost.Booster:
    asked = {name: value for name, value in parameters.items() if name != "num_round"}
    return xgboost.train(asked, data, int(str(parameters["num_round"])), verbose_eval=False, **more)


def metrics(log: str) -> dict[str, list[float]]:
    """What the catalogue's metric definitions find in a log, by name in the order of rounds."""
    program = algorithms.resolve("sagemaker-xgboost:1.7-1")
    assert program is not None
    found: dict[str, list[float]] = {}
    for line in log.splitlines():
        for metric in program.metrics:
            if match := re.search(metric.regex, line):
                found.setdefault(metric.name, []).append(float(match[1]))
    return found
