"""Jobs of built-in algorithms in the test's own process, on channels of several files."""

import io
import json
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from lowcloud import contract
from lowcloud.runtime import algorithms
from lowcloud.runtime.serving.serve import Predictor
from lowcloud.runtime.training import train
from tests.support.programs.training_programs import Ended, write_job_folder

PARAMETERS: dict[str, dict[str, object]] = {
    "xgboost": {"num_round": 3, "objective": "binary:logistic", "max_depth": 3, "nthread": 1},
    "linear-learner": {"predictor_type": "binary_classifier", "num_models": 1},
}
Files = Mapping[str, bytes]


def fit(base: Path, algorithm: str, content_type: str | None = None, **channels: Files) -> Ended:
    """Train on channels of files by name."""
    write_job_folder(base, PARAMETERS[algorithm], dict.fromkeys(channels, b""), content_type=content_type)
    for channel, files in channels.items():
        for name, content in files.items():
            path = base / contract.DATA / channel / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    log = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(log), redirect_stderr(log):
        patch.setenv(contract.BASE_DIR_VARIABLE, str(base))
        code = train.main([algorithm])
    return Ended(base, code, log.getvalue())


def predictor(ended: Ended, algorithm: str) -> Predictor:
    assert ended.code == 0, ended.log
    loaded: Predictor = algorithms.find(algorithm).load(ended.base / contract.MODEL)
    return loaded


def scores(ended: Ended, algorithm: str, body: bytes, content_type: str = "text/csv") -> list[float]:
    """The scores that an endpoint of the job's model gives the rows of a request."""
    answer, _ = predictor(ended, algorithm).respond(body, content_type, "application/json")
    return [entry["score"] for entry in json.loads(answer)["predictions"]]
