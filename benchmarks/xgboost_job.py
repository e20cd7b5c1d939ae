"""xgboost jobs on a CSV file compared with a plain script that does the same; a prediction with Booster.predict.

    .venv/bin/python benchmarks/xgboost_job.py [--rows 200000] [--features 30] [--rounds 50]

All train bit-identical models on the same file, with the training metric printed each round. `script`: a Python process
that imports pandas and xgboost, reads, trains and saves. `program`: the built-in program, forked from a warm parent as
in the engine. `job`: from CreateTrainingJob to Completed with boto3; its CPU is the program's and the server's. Minimum
of the runs, which alternate.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lowcloud import contract
from tests.support.servers.server import Server

RUNS = 3
PARAMETERS = {"objective": "binary:logistic", "max_depth": 6}
SCRIPT = """
import sys
import pandas, xgboost
path, model, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
table = pandas.read_csv(path, header=None, dtype="float32")
data = xgboost.DMatrix(table.iloc[:, 1:].to_numpy(), label=table[0])
booster = xgboost.train({parameters}, data, rounds, evals=[(data, "train")])
booster.save_model(model)
"""
WARM = """
import os, sys, time
from lowcloud.runtime import algorithms
from lowcloud.runtime.training import train
import numpy
algorithms.preload()
sys.stdin.readline()
started = time.perf_counter()
child = os.fork()
if child == 0:
    os._exit(train.main(["xgboost"]))
_, status, used = os.wait4(child, 0)
print("USED", time.perf_counter() - started, used.ru_utime + used.ru_stime, status)
"""


@dataclass(frozen=True)
class Cost:
    """Wall-clock and CPU seconds."""

    wall: float
    cpu: float


def run_script(csv: Path, rounds: int) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.py"
        script.write_text(SCRIPT.replace("{parameters}", repr(PARAMETERS)))
        model = csv.with_name("script.ubj")
        started = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, str(script), str(csv), str(model), str(rounds)], stdout=subprocess.DEVNULL
        )
        _, status, used = os.wait4(child.pid, 0)
        assert status == 0
        return Cost(time.perf_counter() - started, used.ru_utime + used.ru_stime)


def run_program(csv: Path, rounds: int) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        (base / contract.DATA / "train").mkdir(parents=True)
        (base / contract.DATA / "train" / "part.csv").symlink_to(csv)
        (base / contract.HYPERPARAMETERS).parent.mkdir(parents=True)
        texts = {name: str(value) for name, value in {**PARAMETERS, "num_round": rounds}.items()}
        (base / contract.HYPERPARAMETERS).write_text(json.dumps(texts))
        (base / contract.INPUT_DATA_CONFIG).write_text(json.dumps({"train": {"ContentType": "text/csv"}}))
        environment = {**os.environ, contract.BASE_DIR_VARIABLE: folder}
        warm = [sys.executable, "-c", WARM]
        done = subprocess.run(warm, env=environment, input="\n", capture_output=True, text=True, check=True)
        wall, cpu, status = done.stdout.rsplit("USED", 1)[1].split()
        assert status == "0", done.stdout + done.stderr
        ours = (base / contract.MODEL / "xgboost-model").read_bytes()
        assert ours == csv.with_name("script.ubj").read_bytes(), "both train the same model"
        return Cost(float(wall), float(cpu))


class Jobs:
    """A running cloud with the file in a bucket."""

    def __init__(self, home: Path, csv: Path):
        self.cloud = Server(home)
        self.cloud.up()
        s3 = self.cloud.client("s3")
        s3.create_bucket(Bucket="sagemaker-benchmark")
        s3.put_object(Bucket="sagemaker-benchmark", Key="train/part.csv", Body=csv.read_bytes())
        self.sagemaker = self.cloud.client("sagemaker")
        self.server = json.loads((home / "server.json").read_text())["pid"]
        self.count = 0

    def run(self, rounds: int) -> Cost:
        """Run one job. The CPU is that of the server and its warm parent only."""
        self.count += 1
        name = f"benchmark-{self.count}"
        source = {"S3DataType": "S3Prefix", "S3Uri": "s3://sagemaker-benchmark/train/"}
        before = self._cpu()
        started = time.perf_counter()
        self.sagemaker.create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={"TrainingImage": "sagemaker-xgboost:3.0-5", "TrainingInputMode": "File"},
            RoleArn=self.cloud.role,
            HyperParameters={k: str(v) for k, v in {**PARAMETERS, "num_round": rounds}.items()},
            InputDataConfig=[
                {"ChannelName": "train", "DataSource": {"S3DataSource": source}, "ContentType": "text/csv"}
            ],
            OutputDataConfig={"S3OutputPath": "s3://sagemaker-benchmark/models"},
            ResourceConfig={"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 600},
        )
        job: dict[str, Any] = {"TrainingJobStatus": "InProgress"}
        while job["TrainingJobStatus"] == "InProgress":
            job = self.sagemaker.describe_training_job(TrainingJobName=name)
        assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
        return Cost(time.perf_counter() - started, self._cpu() - before)

    def _cpu(self) -> float:
        children = Path(f"/proc/{self.server}/task/{self.server}/children").read_text().split()
        ticks = os.sysconf("SC_CLK_TCK")
        fields = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in [self.server, *children])
        return sum(int(one[11]) + int(one[12]) for one in fields) / ticks


def serving(csv: Path) -> tuple[float, float]:
    """Return the microseconds for one row of CSV: Lowcloud's predictor, and DMatrix with Booster.predict."""
    import xgboost

    from lowcloud.runtime.algorithms import xgboost as algorithm

    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "xgboost-model"
        model.write_bytes(csv.with_name("script.ubj").read_bytes())
        predictor = algorithm.load(model.parent)
        booster = xgboost.Booster({"nthread": 1}, model_file=bytearray(model.read_bytes()))
    row = csv.open("rb").readline().strip().partition(b",")[2]

    def naive() -> bytes:
        cells = np.array([float(cell) for cell in row.split(b",")], np.float32)[None]
        return (str(booster.predict(xgboost.DMatrix(cells, nthread=1))[0]) + "\n").encode()

    return _microseconds(lambda: predictor.respond(row, "text/csv", "text/csv")), _microseconds(naive)


def _microseconds(work: Callable[[], object], times: int = 2000) -> float:
    best = float("inf")
    for _ in range(RUNS):
        started = time.perf_counter()
        for _ in range(times):
            work()
        best = min(best, (time.perf_counter() - started) / times)
    return best * 1e6


def _least(costs: Sequence[Cost]) -> Cost:
    return Cost(min(one.wall for one in costs), min(one.cpu for one in costs))


def main() -> None:
    """Print each figure, and its ratio to that of the script."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--features", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=50)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(arguments.rows, arguments.features)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] * x[:, 2] + rng.normal(size=arguments.rows) > 0).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        csv = Path(folder) / "train.csv"
        np.savetxt(csv, np.column_stack([y, x]), fmt="%.6g", delimiter=",")
        jobs = Jobs(Path(folder) / "home", csv)
        try:
            turns = [
                (run_script(csv, arguments.rounds), run_program(csv, arguments.rounds), jobs.run(arguments.rounds))
                for _ in range(RUNS)
            ]
            script, program, platform = (
                Cost(min(one.wall for one in all_of), min(one.cpu for one in all_of))
                for all_of in zip(*turns, strict=True)
            )
        finally:
            jobs.cloud.down()
        job = Cost(platform.wall, platform.cpu + program.cpu)
        ours, naive = serving(csv)
    print(f"{'':10}{'wall s':>10}{'CPU s':>10}{'wall':>8}{'CPU':>8}  ratio to the script")
    for name, cost in (("script", script), ("program", program), ("job", job)):
        ratios = f"{cost.wall / script.wall:8.2f}{cost.cpu / script.cpu:8.2f}"
        print(f"{name:10}{cost.wall:10.2f}{cost.cpu:10.2f}{ratios}")
    print(f"one row   {ours:7.1f} us, DMatrix and Booster.predict {naive:.1f} us: {ours / naive:.3f}")


if __name__ == "__main__":
    main()
