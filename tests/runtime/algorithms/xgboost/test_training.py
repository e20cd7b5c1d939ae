"""Complete training jobs of xgboost, compared with XGBoost on the same data with the same parameters."""

import io
import os
import re
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import polars
import pytest
import xgboost

from lowcloud import contract
from lowcloud.catalog import algorithms
from lowcloud.runtime.formats import recordio
from lowcloud.runtime.training import train
from tests.support.tables import encode_table
from tests.support.training_programs import Ended, run_hosts, start, wait, write_job_folder

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning")

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
    requested = {name: value for name, value in parameters.items() if name != "num_round"}
    return xgboost.train(requested, data, int(str(parameters["num_round"])), verbose_eval=False, **more)


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


@pytest.mark.parametrize("form", ["libsvm", "recordio", "sparse recordio", "parquet", "csv", "semicolons"])
def test_every_format_is_read_missing_values_included(tmp_path: Path, form: str) -> None:
    x = np.where(RNG.random(X.shape) < 0.3, np.nan, X).astype(np.float32)
    x[0, 5] = 1  # so that libsvm shows all columns
    path = tmp_path / "any"
    if form == "parquet":
        columns = {f"f{i}": [None if np.isnan(v) else float(v) for v in x[:, i]] for i in range(x.shape[1])}
        polars.DataFrame({"label": TWO} | columns).write_parquet(path)
    content, kind = {
        "libsvm": lambda: (as_libsvm(np.nan_to_num(x), TWO), "text/libsvm"),
        "recordio": lambda: (encode_table(x, TWO.astype(np.float32)), "application/x-recordio-protobuf"),
        "sparse recordio": lambda: (b"".join(map(sparse_record, x, TWO)), "recordio-protobuf"),
        "parquet": lambda: (path.read_bytes(), "application/x-parquet"),
        "csv": lambda: (as_csv(x, TWO), "text/csv; label_size=1"),
        "semicolons": lambda: (as_csv(x, TWO).replace(b",", b";"), "csv"),
    }[form]()
    data = xgboost.DMatrix(x, label=TWO)
    judge = plain(BINARY, data)
    for content_type in (kind, None):
        booster = stored(job(tmp_path / str(content_type).replace("/", "-"), BINARY, content_type, train=content))
        np.testing.assert_array_equal(booster.predict(data), judge.predict(data))


def sparse_record(row: np.ndarray, label: float) -> bytes:
    """A record of the values that are there, with their keys."""

    def varint(value: int) -> bytes:
        return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + varint(value >> 7)

    def field(number: int, body: bytes) -> bytes:
        return varint(number << 3 | 2) + varint(len(body)) + body

    there = np.flatnonzero(~np.isnan(row))
    tensor = (
        field(1, row[there].tobytes()) + field(2, b"".join(map(varint, there.tolist()))) + field(3, varint(len(row)))
    )
    values = field(1, field(1, b"values") + field(2, field(2, tensor)))
    named = field(2, field(1, b"values") + field(2, field(2, field(1, np.float32(label).tobytes()))))
    return recordio.frame(values + named)


def test_weights_of_csv_are_those_of_the_rows(tmp_path: Path) -> None:
    weights = RNG.random(600).astype(np.float32)
    channels = {"train": as_csv(X, TWO, weights), "validation": as_csv(X, TWO)}
    ended = job(tmp_path, {**BINARY, "csv_weights": 1}, **channels)
    data = xgboost.DMatrix(X, label=TWO, weight=weights)
    np.testing.assert_array_equal(stored(ended).predict(data), plain(BINARY, data).predict(data))


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


@pytest.mark.parametrize(
    ("parameters", "channels", "said"),
    [
        (BINARY, {"train": b""}, "Channel train has no rows"),
        (BINARY, {"train": as_csv(X, TWO), "validation": b""}, "Channel validation has no rows"),
        (
            BINARY,
            {"train": as_csv(X, TWO), "validation": as_csv(X[:, 1:], TWO)},
            "validation/part, line 1 has 5 features",
        ),
        (BINARY, {"train": as_csv(X, np.ones(600))}, "only rows of class 1"),
        (BINARY, {"train": b"0,1\n\n2,1\n1,3\n"}, "train/part, line 3: the label 2 is not 0 or 1"),
        (BINARY, {"train": b"0,1\n,1\n1,3\n"}, "train/part, line 2: the label is missing"),
        (BINARY, {"train": b"0,1\n1,x\n"}, "train/part, line 2, column 2: 'x' is not a number"),
        (BINARY, {"train": b"0,1\n1,1e39\n"}, "train/part, line 2 has a feature that is infinite"),
        (BINARY, {"train": b"0 0:1\n1 0:x\n"}, "train/part, line 2: '0:x' is not column:value"),
        ({**BINARY, "csv_weights": 1}, {"train": b"0,1,5\n1,-1,6\n"}, "line 2, column 2: the weight -1"),
        ({**BINARY, "early_stopping_rounds": 3}, {"train": as_csv(X, TWO)}, "needs a validation channel"),
        ({**BINARY, "tree_method": "gpu_hist"}, {"train": as_csv(X, TWO)}, "needs a build of XGBoost with CUDA"),
        (BINARY, {"train": as_csv(X, TWO), "trial": b"1"}, "Channel 'trial' is not supported"),
        ({"num_round": 2, "process_type": "update", "updater": "refresh"}, {"train": as_csv(X, TWO)}, "channel model"),
        (
            {**BINARY, "base_score": 7},
            {"train": as_csv(X, TWO)},
            "XGBoost cannot train on this data: base_score must be in",
        ),
        ({**BINARY, "num_round": 0}, {"train": as_csv(X, TWO)}, "num_round must be an integer from 1"),
    ],
)
def test_invalid_training_data_is_named_with_its_place(
    tmp_path: Path, parameters: dict, channels: dict, said: str
) -> None:
    ended = job(tmp_path, parameters, **channels)
    assert ended.code == contract.EXIT_CLIENT_ERROR, ended.log
    assert ended.failure.startswith("ClientError: ")
    assert said in ended.failure


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


def test_groups_of_libsvm_are_ranked_within(tmp_path: Path) -> None:
    groups = np.sort(RNG.integers(30, size=600))
    lines = as_libsvm(X, THREE.astype(int)).decode().splitlines()
    content = "".join(f"{line.replace(' ', f' qid:{group} ', 1)}\n" for line, group in zip(lines, groups, strict=True))
    parameters = {"num_round": 5, "objective": "rank:ndcg", "eval_metric": "ndcg@5,ndcg@1"}
    ended = job(tmp_path, parameters, train=content.encode())
    data = xgboost.DMatrix(X, label=THREE, qid=groups)
    judge = plain({"num_round": 5, "objective": "rank:ndcg"}, data)
    np.testing.assert_array_equal(stored(ended).predict(data), judge.predict(data))
    assert set(metrics(ended.log)) == {"train:ndcg"}
