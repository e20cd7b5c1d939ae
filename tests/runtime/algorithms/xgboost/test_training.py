"""Complete training jobs of xgboost, compared with XGBoost on the same data with the same parameters."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xgboost

from lowcloud import contract
from tests.support.programs.training_programs import start, wait, write_job_folder
from tests.support.programs.xgboost_jobs import BINARY, RNG, SIGNAL, THREE, TWO, X, as_csv, job, metrics, plain, stored

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning")


@pytest.mark.parametrize(
    ("parameters", "labels"),
    [
        (BINARY, TWO),
        ({"num_round": 4, "objective": "multi:softprob", "num_class": 3, "eta": 0.5, "lambda": 2}, THREE),
        ({"num_round": 4, "objective": "multi:softmax", "num_class": 3, "tree_method": "exact"}, THREE),
        ({"num_round": 4, "objective": "reg:squarederror", "subsample": 0.5, "seed": 7}, SIGNAL),
        ({"num_round": 4, "objective": "reg:tweedie", "tweedie_variance_power": 1.2, "alpha": 1}, np.exp(SIGNAL)),
        ({"num_round": 4, "objective": "count:poisson", "grow_policy": "lossguide", "max_leaves": 5}, THREE),
        ({"num_round": 4, "objective": "binary:hinge", "colsample_bytree": 0.5, "gamma": 0.1}, TWO),
        ({"num_round": 4, "objective": "survival:cox", "tree_method": "approx"}, np.exp(SIGNAL)),
        ({"num_round": 5, "booster": "dart", "rate_drop": 0.3, "objective": "binary:logistic"}, TWO),
        ({"num_round": 5, "booster": "gblinear", "updater": "coord_descent", "objective": "reg:squarederror"}, SIGNAL),
        ({"num_round": 3, "num_parallel_tree": 3, "colsample_bynode": 0.5, "objective": "binary:logistic"}, TWO),
        ({"num_round": 3, "monotone_constraints": "(1,0,0,-1,0,0)", "tree_method": "hist"}, SIGNAL),
        ({"num_round": 3, "interaction_constraints": "[[0,1],[2,3,4,5]]", "tree_method": "hist"}, SIGNAL),
    ],
)
def test_the_model_is_the_one_xgboost_trains(tmp_path: Path, parameters: dict, labels: np.ndarray) -> None:
    labels = labels.astype(np.float32)
    data = xgboost.DMatrix(X, label=labels)
    booster = stored(job(tmp_path, {**parameters, "nthread": 1}, train=as_csv(X, labels)))
    judge = plain({**parameters, "nthread": 1}, data)
    np.testing.assert_array_equal(booster.predict(data), judge.predict(data))
    assert booster.num_boosted_rounds() == judge.num_boosted_rounds()


def test_metrics_are_printed_each_round_as_the_catalogue_looks_for_them(tmp_path: Path) -> None:
    requested = "auc,logloss,error@0.7,accuracy,f1,mse"
    ended = job(
        tmp_path,
        {**BINARY, "eval_metric": requested},
        train=as_csv(X[:400], TWO[:400]),
        validation=as_csv(X[400:], TWO[400:]),
    )
    found = metrics(ended.log)
    sets = {"train": xgboost.DMatrix(X[:400], label=TWO[:400]), "validation": xgboost.DMatrix(X[400:], label=TWO[400:])}
    judge: dict[str, dict[str, list[float]]] = {}
    reported = {**BINARY, "eval_metric": ["auc", "logloss", "error@0.7"]}
    booster = plain(reported, sets["train"], evals=[(data, name) for name, data in sets.items()], evals_result=judge)
    for name, data in sets.items():
        for metric in ("auc", "logloss"):
            assert found[f"{name}:{metric}"] == pytest.approx(judge[name][metric], abs=6e-6)
        assert found[f"{name}:error"] == pytest.approx(judge[name]["error@0.7"], abs=6e-6)
        predictions = booster.predict(data)
        assert found[f"{name}:accuracy"][-1] == pytest.approx(
            np.mean((predictions > 0.5) == data.get_label()), abs=6e-6
        )
        assert found[f"{name}:mse"][-1] == pytest.approx(np.mean((predictions - data.get_label()) ** 2), abs=6e-6)
    assert "\n[0]\ttrain-auc:" in ended.log
    assert "\tvalidation-auc:" in ended.log


def test_the_metric_of_a_tuning_job_is_computed_too(tmp_path: Path) -> None:
    more = {"_tuning_objective_metric": "validation:auc", "eval_metric": "logloss"}
    found = metrics(job(tmp_path, {**BINARY, **more}, train=as_csv(X, TWO), validation=as_csv(X, TWO)).log)
    assert {"validation:auc", "validation:logloss"} <= set(found)


@pytest.mark.parametrize("booster", ["gbtree", "gblinear"])
def test_early_stopping_keeps_the_best_model(tmp_path: Path, booster: str) -> None:
    parameters = {"num_round": 200, "objective": "reg:squarederror", "booster": booster, "eta": 0.9, "nthread": 1}
    if booster == "gblinear":
        parameters["updater"] = "coord_descent"
    noise = RNG.normal(size=600).astype(np.float32)
    fit, held = (X[:300], noise[:300]), (X[300:], noise[300:])
    reported = {**parameters, "early_stopping_rounds": 3}
    ended = job(tmp_path, reported, train=as_csv(*fit), validation=as_csv(*held))
    data = xgboost.DMatrix(held[0], label=held[1])
    judge = plain(
        parameters, xgboost.DMatrix(fit[0], label=fit[1]), evals=[(data, "validation")], early_stopping_rounds=3
    )
    assert ended.log.count("\ttrain-rmse") == judge.best_iteration + 4
    kept = stored(ended)
    if booster == "gbtree":
        assert kept.num_boosted_rounds() == judge.best_iteration + 1
        np.testing.assert_array_equal(
            kept.predict(data), judge.predict(data, iteration_range=(0, judge.best_iteration + 1))
        )
    rmse = float(np.sqrt(np.mean((kept.predict(data) - held[1]) ** 2)))
    assert rmse == pytest.approx(min(metrics(ended.log)["validation:rmse"]), abs=1e-5)


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"subsample": 0.5},
        {"colsample_bytree": 0.5, "colsample_bynode": 0.7},
        {"booster": "dart", "rate_drop": 0.4, "subsample": 0.7},
        {"tree_method": "exact", "colsample_bylevel": 0.6},
        {"tree_method": "approx", "subsample": 0.6},
        {"early_stopping_rounds": 50},
    ],
)
def test_a_job_resumed_from_a_checkpoint_ends_with_the_same_model(tmp_path: Path, extra: dict) -> None:
    channels = {"train": as_csv(X, TWO), "validation": as_csv(X[:100], TWO[:100])}
    parameters = {**BINARY, "num_round": 12, **extra}
    for name, rounds in (("whole", 12), ("cut", 7)):
        (tmp_path / name / contract.CHECKPOINTS).mkdir(parents=True)
        ended = job(tmp_path / name, {**parameters, "num_round": rounds}, **channels)
        assert ended.code == 0, ended.log
    kept = sorted(path.name for path in (tmp_path / "whole" / contract.CHECKPOINTS).iterdir())
    assert "xgboost-checkpoint.11" in kept
    assert len(kept) <= 5
    (tmp_path / "cut" / contract.CHECKPOINTS / "xgboost-checkpoint.8").write_bytes(b"torn")
    resumed = job(tmp_path / "cut", parameters, **channels)
    assert "after 7 rounds" in resumed.log
    assert "\n[7]\ttrain-" in resumed.log
    assert "\n[6]\ttrain-" not in resumed.log
    models = [(tmp_path / name / contract.MODEL / "xgboost-model").read_bytes() for name in ("whole", "cut")]
    assert models[0] == models[1]


def test_a_stopped_job_keeps_the_model_of_the_completed_rounds(tmp_path: Path) -> None:
    base = write_job_folder(tmp_path, {**BINARY, "num_round": 1_000_000}, {"train": as_csv(X, TWO)})
    process = start(base, algorithm="xgboost")
    assert process.stdout is not None
    printed = []
    for line in process.stdout:
        printed.append(line)
        if line.startswith("[3]"):
            os.kill(process.pid, signal.SIGTERM)
    ended = wait(base, process)
    assert stored(ended).num_boosted_rounds() == sum("\ttrain-" in line for line in printed) > 3
    assert "the model of the completed rounds is stored" in "".join(printed)


def test_cross_validation_stores_a_model_a_fold_and_what_they_predict(tmp_path: Path) -> None:
    parameters = {**BINARY, "_kfold": 3, "_num_cv_round": 2}
    ended = job(tmp_path, parameters, train=as_csv(X[:400], TWO[:400]), validation=as_csv(X[400:], TWO[400:]))
    assert ended.code == 0, ended.log
    names = sorted(path.name for path in (tmp_path / contract.MODEL).iterdir())
    assert names == [f"xgboost-model-{i}" for i in range(6)]
    table = np.loadtxt(tmp_path / contract.OUTPUT_DATA / "predictions.csv", delimiter=",")
    assert table.shape == (600, 3)
    np.testing.assert_array_equal(table[:, 0], TWO)
    assert np.mean(table[:, 2] == TWO) > 0.75
    summaries = re.findall(r"^\[6\]\ttrain-logloss:\S+\tvalidation-logloss:(\S+)", ended.log, re.MULTILINE)
    assert len(summaries) == 3  # of each repetition, and of all
    assert float(summaries[2]) == pytest.approx((float(summaries[0]) + float(summaries[1])) / 2, abs=1e-5)


def test_training_continues_from_the_model_of_a_channel(tmp_path: Path) -> None:
    data = xgboost.DMatrix(X, label=TWO)
    first = plain(BINARY, data)
    ended = job(tmp_path, BINARY, train=as_csv(X, TWO), model=b"")
    assert "Channel model does not contain a file xgboost-model" in ended.failure
    folder = tmp_path / contract.DATA / "model"
    folder.mkdir(parents=True, exist_ok=True)
    first.save_model(folder / "xgboost-model")
    again = wait(tmp_path, start(tmp_path, algorithm="xgboost"))
    judge = plain(BINARY, data, xgb_model=first)
    np.testing.assert_allclose(stored(again).predict(data), judge.predict(data), atol=1e-6)
    assert stored(again).num_boosted_rounds() == 12


def test_the_scikit_learn_and_pandas_of_a_machine_are_left_alone(tmp_path: Path) -> None:
    base = write_job_folder(tmp_path, BINARY, {"train": as_csv(X, TWO)})
    code = (
        "import sys; from lowcloud.runtime import algorithms; algorithms.preload(); "
        "from lowcloud.runtime.training import train;"
        f"import os; os.environ['SAGEMAKER_BASE_DIR'] = {str(base)!r};"
        "assert train.main(['xgboost']) == 0;"
        "print('LOADED', sorted({'scipy', 'pandas', 'sklearn', 'xgboost', 'polars'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "LOADED []" in answer.stdout
