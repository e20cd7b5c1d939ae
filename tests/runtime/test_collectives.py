"""Several processes in one process group, and the same model from any number of them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lowcloud import contract
from lowcloud.runtime.algorithms.linear_learner import model
from tests.support.data.tables import encode_table
from tests.support.programs.linear_learner_fits import features
from tests.support.programs.training_programs import run_hosts

PROGRAM = """
import sys, numpy as np
from lowcloud.runtime.collectives import join
rank, size = int(sys.argv[1]), int(sys.argv[2])
hosts = [f"algo-{i + 1}" for i in range(size)]
with join(hosts, hosts[rank]) as process_group:
    assert (process_group.rank, process_group.size) == (rank, size)
    total = process_group.sum(np.random.default_rng(rank).standard_normal((300, 7)))
    assert process_group.broadcast(b"from %d" % rank) == b"from 0"
    assert process_group.gather(b"r%d" % rank) == [b"r%d" % i for i in range(size)]
    process_group.barrier()
    print(total.tobytes().hex())
"""


def start(folder: Path, rank: int, size: int) -> subprocess.Popen[str]:
    environment = {"PYTHONPATH": ":".join(sys.path), contract.RENDEZVOUS_VARIABLE: str(folder)}
    command = [sys.executable, "-c", PROGRAM, str(rank), str(size)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)


@pytest.mark.parametrize("size", [1, 2, 12])
def test_every_rank_gets_the_same_bits(tmp_path: Path, size: int) -> None:
    deep = tmp_path / ("d" * 90)  # longer than the address of a socket may be
    deep.mkdir()
    processes = [start(deep, rank, size) for rank in range(size)]
    sums = {process.communicate(timeout=60)[0] for process in processes}
    assert [process.returncode for process in processes] == [0] * size
    assert len(sums) == 1
    expected = sum(np.random.default_rng(rank).standard_normal((300, 7)) for rank in range(size))
    assert np.frombuffer(bytes.fromhex(sums.pop())).reshape(300, 7) == pytest.approx(expected)


ROWS = 3000
X = features(ROWS, 8, seed=5)
RANDOM = np.random.default_rng(6)
MARGIN = X @ RANDOM.standard_normal(8) + RANDOM.logistic(size=ROWS)
JOBS = {
    "binary_classifier": ((MARGIN > 0).astype(np.float32), {"num_models": 4}),
    "regressor": (MARGIN.astype(np.float32), {"loss": "huber_loss", "num_models": 1}),
    "multiclass_classifier": (np.digitize(MARGIN, [-2, 2]).astype(np.float32), {"num_classes": 3, "num_models": 1}),
}


def shards(y: np.ndarray, bounds: list[int]) -> list[bytes]:
    parts = zip([0, *bounds], [*bounds, ROWS], strict=True)
    return [encode_table(X[a:b], y[a:b]) for a, b in parts]


@pytest.mark.parametrize("predictor", JOBS)
def test_the_model_is_the_same_for_any_hosts_uneven_and_empty_shards_included(tmp_path: Path, predictor: str) -> None:
    y, more = JOBS[predictor]
    hyperparameters = {"predictor_type": predictor, "early_stopping_tolerance": 1e-6, **more}
    models = []
    for number, bounds in enumerate([[], [2900], [1000, 1000, 1400]]):
        ended = run_hosts(tmp_path / str(number), hyperparameters, shards(y, bounds))
        assert [one.code for one in ended] == [0] * len(ended), ended[0].log
        assert [(one.base / contract.MODEL / model.HEADER).exists() for one in ended[1:]] == [False] * (len(ended) - 1)
        models.append(model.load(ended[0].base / contract.MODEL))
    for other in models[1:]:
        assert other.weights == pytest.approx(models[0].weights, abs=2e-3)
        assert np.mean(other.predict(X) == models[0].predict(X)) > 0.999 or predictor == "regressor"


def test_a_host_that_fails_ends_the_others(tmp_path: Path) -> None:
    y = JOBS["regressor"][0]
    ended = run_hosts(tmp_path, {"predictor_type": "regressor"}, [shards(y, [])[0], b"1,2,red\n"])
    assert ended[1].code == contract.EXIT_CLIENT_ERROR
    assert "'red' is not a number" in ended[1].failure
    assert ended[0].code != 0
