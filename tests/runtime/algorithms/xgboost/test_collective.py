"""Training jobs of xgboost on several hosts: the model of one, and how they end together."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import xgboost

from lowcloud import contract
from tests.support.programs.training_programs import run_hosts, start, wait, write_job_folder
from tests.support.programs.xgboost_jobs import BINARY, TWO, X, as_csv, metrics, plain, stored

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning")


def test_hosts_train_the_model_of_one(tmp_path: Path) -> None:
    parameters = {**BINARY, "eval_metric": "auc,accuracy", "nthread": 1}
    shards = [as_csv(X[:150], TWO[:150]), b"", as_csv(X[150:], TWO[150:])]
    hosts = run_hosts(tmp_path, parameters, shards, "xgboost")
    data = xgboost.DMatrix(X, label=TWO)
    booster = stored(hosts[0])
    judge = plain({**BINARY, "nthread": 1}, data)
    np.testing.assert_allclose(booster.predict(data), judge.predict(data), atol=1e-6)
    assert all(ended.code == 0 for ended in hosts), [ended.log for ended in hosts]
    assert not any((ended.base / contract.MODEL / "xgboost-model").exists() for ended in hosts[1:])
    accuracy = float(np.mean((judge.predict(data) > 0.5) == TWO))
    assert metrics(hosts[0].log)["train:accuracy"][-1] == pytest.approx(accuracy, abs=1e-5)
    assert not metrics(hosts[2].log)


def test_hosts_with_many_rows_find_the_same_splits_up_to_one_bin(tmp_path: Path) -> None:
    x = np.random.default_rng(5).normal(size=(12_000, 3)).astype(np.float32)
    y = (x[:, 0] > 0.3).astype(float)
    parameters = {"num_round": 1, "max_depth": 1, "objective": "binary:logistic"}
    hosts = run_hosts(tmp_path, parameters, [as_csv(x[:4000], y[:4000]), as_csv(x[4000:], y[4000:])], "xgboost")
    alone = plain(parameters, xgboost.DMatrix(x, label=y))
    ours, theirs = (booster.trees_to_dataframe()["Split"][0] for booster in (stored(hosts[0]), alone))
    between = np.mean((x[:, 0] >= min(ours, theirs)) & (x[:, 0] < max(ours, theirs)))
    assert between <= 2 / 256


def test_a_host_without_the_first_rows_may_be_the_first(tmp_path: Path) -> None:
    hosts = run_hosts(tmp_path, BINARY, [b"", as_csv(X, TWO)], "xgboost")
    assert all(ended.code == 0 for ended in hosts), [ended.log for ended in hosts]
    data = xgboost.DMatrix(X, label=TWO)
    np.testing.assert_array_equal(stored(hosts[0]).predict(data), plain(BINARY, data).predict(data))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_hosts_end_together_when_one_is_stopped_or_lost(tmp_path: Path, number: signal.Signals) -> None:
    names = ("algo-1", "algo-2")
    (tmp_path / "meet").mkdir()
    parameters = {**BINARY, "num_round": 1_000_000}
    shards = (as_csv(X[:300], TWO[:300]), as_csv(X[300:], TWO[300:]))
    bases = [
        write_job_folder(tmp_path / n, parameters, {"train": s}, names, n) for n, s in zip(names, shards, strict=True)
    ]
    processes = [start(base, tmp_path / "meet", "xgboost") for base in bases]
    printed = []
    assert processes[0].stdout is not None
    for line in processes[0].stdout:
        printed.append(line)
        if line.startswith("[3]"):
            os.kill(processes[1].pid, number)
    ends = [wait(base, process) for base, process in zip(bases, processes, strict=True)]
    if number == signal.SIGTERM:
        assert [ended.code for ended in ends] == [0, 0]
        assert stored(ends[0]).num_boosted_rounds() == sum("\ttrain-" in line for line in printed)
    else:
        assert [ended.code for ended in ends] == [contract.EXIT_ALGORITHM_ERROR, -signal.SIGKILL]
        assert ends[0].failure == "AlgorithmError: Another host of the job has ended. See its log for the reason."


def test_an_error_of_xgboost_is_a_client_error_on_every_host(tmp_path: Path) -> None:
    shards = [as_csv(X[:300], TWO[:300]), as_csv(X[300:], TWO[300:]), b""]
    hosts = run_hosts(tmp_path, {**BINARY, "base_score": 7}, shards, "xgboost")
    assert [ended.code for ended in hosts[:2]] == [contract.EXIT_CLIENT_ERROR] * 2
    assert all("base_score must be in" in ended.failure for ended in hosts[:2])
