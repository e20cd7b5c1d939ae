"""From raw rows over preprocessing and training with each algorithm to the evaluation of the model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lowcloud import contract
from lowcloud.runtime.algorithms.xgboost import library
from lowcloud.runtime.feature_transforms import FILE
from tests.support.programs.processing_runs import run

ALGORITHMS = {
    "linear-learner": {"predictor_type": "binary_classifier"},
    "xgboost": {"num_round": "20", "objective": "binary:logistic"},
}


def raw(rows: int) -> str:
    random = np.random.default_rng(8)
    x, city = random.normal(0, 1, rows), random.choice(["Rome", "Oslo", "Lima"], rows)
    left = np.where(x + 1.5 * (city == "Oslo") + random.normal(0, 0.4, rows) > 0.5, "yes", "no")
    cells = [f"{'' if i % 8 == 0 else f'{x[i]:.3f}'},{city[i]},{left[i]}" for i in range(rows)]
    return "x,city,left\n" + "\n".join(cells) + "\n"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_model_of_transformed_rows_is_evaluated_on_raw_rows(tmp_path: Path, algorithm: str) -> None:
    if algorithm == "xgboost" and library.find() is None:
        pytest.skip("xgboost is not installed")
    prepared = run(tmp_path / "prepare", "preprocess", {"input/d.csv": raw(500)}, "--target=left")
    assert prepared.code == 0, prepared.failure
    base = tmp_path / "train"
    for channel in ("train", "validation", "transform"):
        (base / contract.DATA).mkdir(parents=True, exist_ok=True)
        (prepared.output / channel).rename(base / contract.DATA / channel)
    (base / contract.HYPERPARAMETERS).parent.mkdir(parents=True)
    (base / contract.HYPERPARAMETERS).write_text(json.dumps(ALGORITHMS[algorithm]))
    inputs = {name: {"ContentType": "text/csv"} for name in ("train", "validation", "transform")}
    (base / contract.INPUT_DATA_CONFIG).write_text(json.dumps(inputs))
    (base / contract.MODEL).mkdir()
    subprocess.run(
        [sys.executable, "-m", "lowcloud.runtime.training.train", algorithm],
        env={**os.environ, contract.BASE_DIR_VARIABLE: str(base)},
        check=True,
        timeout=120,
    )
    assert (base / contract.MODEL / FILE).exists()
    files = {f"model/{path.name}": path.read_bytes() for path in (base / contract.MODEL).iterdir()}
    judged = run(tmp_path / "judge", "evaluate", {"input/d.csv": raw(500), **files}, "--bootstrap=0")
    assert judged.code == 0, judged.failure
    document = judged.json("evaluation/evaluation.json")
    assert document["classes"] == ["no", "yes"]
    assert document["binary_classification_metrics"]["auc"]["value"] > 0.9
