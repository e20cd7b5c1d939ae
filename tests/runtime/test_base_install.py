"""What Lowcloud does without its extras: linear-learner trains and serves, and what needs polars names the extra."""

import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lowcloud import contract
from lowcloud.runtime.formats import csv
from lowcloud.runtime.formats.table import DenseTable
from lowcloud.sdk import InvalidInputError
from lowcloud.sdk.data import channels, tables
from tests.runtime.formats.test_channel import as_csv
from tests.support.programs.training_programs import start, wait, write_job_folder

EXTRAS = ("pandas", "polars", "psycopg", "pyarrow", "scipy", "skops", "sklearn", "xgboost")
REMEDY = "pip install 'lowcloud[data]'"
X = np.random.default_rng(0).standard_normal((2000, 7)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.float64)
SERVER = "import lowcloud.server.server, lowcloud.cli.app, lowcloud.sdk, lowcloud.catalog.algorithms"
RUNTIME = "from lowcloud.runtime import algorithms; algorithms.preload(); import lowcloud.runtime.serving.serve"
BINARY = {"predictor_type": "binary_classifier", "epochs": 3, "mini_batch_size": 100}


@pytest.fixture
def without_extras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Python started from here on is one in which no extra is installed."""
    folder = tmp_path / "without"
    folder.mkdir()
    hidden = (
        f"import sys\nsys.modules.update(dict.fromkeys({EXTRAS}))\n"  # None: both import and find_spec find nothing
    )
    (folder / "sitecustomize.py").write_text(hidden)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), str(Path.cwd())]))


@pytest.fixture
def without_polars(monkeypatch: pytest.MonkeyPatch) -> None:
    """This very Python finds no polars."""
    monkeypatch.setitem(sys.modules, "polars", None)


@pytest.mark.usefixtures("without_extras")
@pytest.mark.parametrize("program", [SERVER, RUNTIME])
def test_the_server_and_the_runtime_load_without_extras(program: str) -> None:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("without_extras")
@pytest.mark.parametrize("quote", ["", '"'])
def test_linear_learner_trains_on_csv_without_extras(tmp_path: Path, quote: str) -> None:
    content = as_csv(X, Y)
    if quote:
        content = b'"' + content.replace(b",", b'","').replace(b"\n", b'"\n"').removesuffix(b'"')
    base = write_job_folder(tmp_path / "job", {**BINARY, "feature_dim": 7}, {"train": content})
    ended = wait(base, start(base))
    assert ended.code == 0, ended.log
    assert any((base / contract.MODEL).iterdir())


@pytest.mark.usefixtures("without_extras")
def test_a_parquet_channel_is_refused_with_the_extra_to_install(tmp_path: Path) -> None:
    base = write_job_folder(tmp_path / "job", {**BINARY, "feature_dim": 7}, {"train": b"PAR1 and so on"})
    ended = wait(base, start(base))
    assert ended.code == contract.EXIT_CLIENT_ERROR, ended.log
    assert REMEDY in ended.failure


@pytest.mark.usefixtures("without_extras")
@pytest.mark.parametrize("program", ["preprocess", "evaluate"])
def test_a_processing_program_ends_with_the_extra_to_install(program: str) -> None:
    command = [sys.executable, "-m", f"lowcloud.runtime.processing.{program}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert REMEDY in done.stderr.splitlines()[-1]


@pytest.mark.usefixtures("without_polars")
def test_csv_with_signs_needs_no_polars() -> None:
    table = DenseTable()
    csv.read(io.BytesIO(as_csv(X, Y).replace(b",", b",+").replace(b"+-", b"-") * 20), "train/a", table)
    assert (table.features == np.tile(X, (20, 1))).all()
    assert (table.labels == np.tile(Y, 20)).all()


@pytest.mark.usefixtures("without_polars")
def test_the_sdk_names_the_extra_that_tables_need(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="lowcloud\\[data\\]"):
        tables.to_polars(X)
    (tmp_path / "a.csv").write_text("1,2\n")
    consumer = channels.Consumer(channels.ModelKind.BUILT_IN, "xgboost")
    with pytest.raises(InvalidInputError, match="raw=True sends a file of numbers"):
        channels.prepare(None, tmp_path / "a.csv", None, None, consumer)  # type: ignore[arg-type]
    as_it_is = replace(consumer, is_raw=True)
    prepared = channels.prepare(None, tmp_path / "a.csv", None, None, as_it_is)  # type: ignore[arg-type]
    assert prepared.files["train"] == {"a.csv": tmp_path / "a.csv"}
