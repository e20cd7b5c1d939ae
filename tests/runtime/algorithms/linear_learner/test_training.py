"""Complete training jobs of linear-learner: what they print, store and refuse."""

import os
import re
import signal
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lowcloud import contract
from lowcloud.catalog import algorithms
from lowcloud.runtime.algorithms import linear_learner
from lowcloud.runtime.algorithms.linear_learner import model
from lowcloud.runtime.stop_request import StopRequest
from tests.support.data.tables import encode_table
from tests.support.programs.linear_learner_fits import fit
from tests.support.programs.training_programs import Ended, run, start, wait, write_job_folder

BINARY: dict[str, object] = {"feature_dim": 10, "predictor_type": "binary_classifier"}


def as_csv(x: np.ndarray, y: np.ndarray) -> bytes:
    return "".join(",".join(map(str, [label, *row])) + "\n" for row, label in zip(x, y, strict=True)).encode()


def metrics(ended: Ended) -> dict[str, float]:
    """What the platform's metric definitions find in a log: the last value of each."""
    program = algorithms.resolve("linear-learner:1")
    assert program is not None
    found = {}
    for line in ended.log.splitlines():
        for metric in program.metrics:
            if match := re.search(metric.regex, line):
                found[metric.name] = float(match[1])
    return found


def breast_cancer() -> tuple[np.ndarray, ...]:
    x, y = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order, :10].astype(np.float32), y[order]
    return x[:400], y[:400], x[400:], y[400:]


def test_the_snippets_job_trains_as_well_as_scikit_learn_and_serves(tmp_path: Path) -> None:
    x, y, xt, yt = breast_cancer()
    ended = run(tmp_path, BINARY, train=as_csv(x, y), test=as_csv(xt, yt))
    assert ended.code == 0, ended.log
    judge = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(x, y)
    stored = model.load(tmp_path / contract.MODEL)
    accuracy = float(np.mean(stored.predict(xt) == yt))
    assert accuracy >= judge.score(xt, yt) - 0.02
    assert metrics(ended)["test:binary_classification_accuracy"] == pytest.approx(accuracy)
    assert stored.metrics is not None
    assert stored.metrics["test:binary_classification_accuracy"] == pytest.approx(accuracy)
    predictor = linear_learner.load(tmp_path / contract.MODEL)
    body, kind = predictor.respond(as_csv(xt, yt).split(b",", 1)[1].split(b"\n")[0], "text/csv", "text/csv")
    assert kind == "text/csv"
    assert float(body.split(b",")[1]) == pytest.approx(float(stored.scores(xt[:1])[0, 0]), rel=1e-6)


def test_every_metric_of_the_tuning_page_is_printed(tmp_path: Path) -> None:
    x, y, xt, yt = breast_cancer()
    more = {"train": as_csv(x, y), "validation": as_csv(xt, yt), "test": encode_table(xt, yt.astype("f4"))}
    found = metrics(run(tmp_path / "binary", BINARY, **more))
    xd, yd = load_diabetes(return_X_y=True)
    more = dict.fromkeys(("train", "validation", "test"), as_csv(xd, yd))
    found |= metrics(run(tmp_path / "regressor", {"predictor_type": "regressor"}, **more))
    xi, yi = load_iris(return_X_y=True)
    more = dict.fromkeys(("train", "validation", "test"), as_csv(xi, yi))
    many = {"predictor_type": "multiclass_classifier", "num_classes": 3, "accuracy_top_k": 2}
    found |= metrics(run(tmp_path / "many", many, **more))
    program = algorithms.resolve("linear-learner")
    assert program is not None
    assert {metric.name for metric in program.metrics} - set(found) <= {"train:roc_auc_score"}
    assert found["validation:multiclass_accuracy"] > 0.95
    assert found["train:progress"] == 100


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_the_named_optimizers_learn(tmp_path: Path, optimizer: str) -> None:
    x, y, xt, yt = breast_cancer()
    settings = {"optimizer": optimizer, "mini_batch_size": 32, "epochs": 40, "num_models": 3, "learning_rate": 0.05}
    ended = run(tmp_path, BINARY | settings, train=as_csv(x, y), validation=as_csv(xt, yt))
    assert ended.code == 0, ended.log
    assert metrics(ended)["validation:binary_classification_accuracy"] > 0.9


GOOD = b"1,2,3\n0,1,5\n1,2,2\n0,0,7\n"
REFUSED = {
    "no such class": (GOOD + b"2,1,1\n", {}, "train/part, line 5, column 1: the label 2 is not 0 or 1"),
    "one class": (b"1,2,3\n1,3,4\n", {}, "labels of only one class (1)"),
    "one row": (b"1,2,3\n", {}, "labels of only one class"),
    "feature_dim": (GOOD, {"feature_dim": 3}, "feature_dim is 3. Set feature_dim to 2"),
    "no rows": (b"", {}, "Channel train has no rows"),
    "header": (b"y,a,b\n" + GOOD, {}, "remove the first line"),
    "unknown name": (GOOD, {"depth": 3}, "'depth' is not supported by this algorithm"),
    "range": (GOOD, {"epochs": 0}, "Hyperparameter epochs must be an integer from 1, not '0'"),
    "truncated": (encode_table(np.ones((3, 2), "f4"), np.ones(3, "f4"))[:-6], {}, "truncated"),
    "negative class": (GOOD + b"-1,1,1\n", {}, "line 5, column 1: the label -1 is not 0 or 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_invalid_input_fails_the_job_with_a_message(tmp_path: Path, name: str) -> None:
    content, hyperparameters, sentence = REFUSED[name]
    ended = run(tmp_path, {"predictor_type": "binary_classifier"} | hyperparameters, train=content)
    assert ended.code == contract.EXIT_CLIENT_ERROR, ended.log
    assert ended.failure.startswith("ClientError: ")
    assert sentence in ended.failure


def test_a_missing_channel_fails_the_job_with_a_message(tmp_path: Path) -> None:
    ended = run(tmp_path, BINARY, validation=GOOD)
    assert ended.failure.startswith("ClientError: Channel train is missing")


def test_a_regressor_of_one_row_predicts_its_label(tmp_path: Path) -> None:
    ended = run(tmp_path, {"predictor_type": "regressor"}, train=b"7.5,1,2\n")
    assert ended.code == 0, ended.log
    assert model.load(tmp_path / contract.MODEL).predict(np.array([[3.0, 4.0]])) == pytest.approx([7.5])


def test_a_model_can_be_fitted_to_identical_rows(tmp_path: Path) -> None:
    ended = run(tmp_path, {"predictor_type": "regressor"}, train=b"7.5,1,2\n" * 50)
    assert ended.code == 0, ended.log
    assert model.load(tmp_path / contract.MODEL).predict(np.array([[1.0, 2.0]])) == pytest.approx([7.5])


def test_a_stopped_job_keeps_the_model_of_the_completed_epochs(tmp_path: Path) -> None:
    x, y, xt, yt = breast_cancer()
    endless = {"optimizer": "adam", "epochs": 1_000_000, "early_stopping_patience": 1_000_000, "num_models": 1}
    base = write_job_folder(tmp_path, {**BINARY, **endless}, {"train": as_csv(x, y)})
    process = start(base)
    assert process.stdout is not None
    for line in process.stdout:
        if "epoch=9, train" in line:
            os.kill(process.pid, signal.SIGTERM)
    ended = wait(base, process)
    assert ended.code == 0
    assert float(np.mean(model.load(base / contract.MODEL).predict(xt) == yt)) > 0.8


@pytest.mark.parametrize("loss", ["auto", "hinge_loss"])
def test_a_fit_that_is_stopped_at_once_has_the_model_of_its_first_pass(loss: str) -> None:
    x, y, xt, yt = breast_cancer()
    fitted = fit(x.copy(), y, predictor_type="binary_classifier", loss=loss, stop=StopRequest(is_requested=True))
    assert float(np.mean(fitted.model.predict(xt) == yt)) > 0.6
