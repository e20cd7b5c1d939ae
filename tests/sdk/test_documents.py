"""The code of the documentation of the Python SDK runs as shown."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.datasets import load_breast_cancer

from tests.support.servers.server import Server

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "python-sdk.md").read_text()
SCRIPT = "import time\nprint('accuracy: 0.5', flush=True)\ntime.sleep(60)\n"


def blocks(language: str) -> list[str]:
    """The code blocks of the page, in order."""
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)


def run(cloud: Server, folder: Path, *command: str | Path) -> str:
    """Run a program that finds the cloud by LOWCLOUD_HOME, and return its output."""
    place = {"LOWCLOUD_HOME": str(cloud.home), "PYTHONPATH": str(ROOT)}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        command, cwd=folder, env={**kept, **place}, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_python_code_of_the_page_runs(server: Server, tmp_path):
    (tmp_path / "program.py").write_text("\n".join(blocks("python")))
    printed = run(server, tmp_path, sys.executable, "program.py")
    assert "[0 0 0 0 0]" in printed
    assert "['no' 'yes']" in printed
    assert "569 rows" in printed
    assert "predictor_type must be one of binary_classifier, multiclass_classifier, regressor, not 'binary'." in printed
    assert (tmp_path / "forest" / "model.skops").is_file()


def test_the_commands_of_the_page_run(server: Server, tmp_path):
    patients = load_breast_cancer(as_frame=True)
    patients.data.assign(label=patients.target).to_csv(tmp_path / "data.csv", index=False)
    patients.data.head(3).to_csv(tmp_path / "rows.csv", index=False)
    (tmp_path / "train.py").write_text(SCRIPT)
    commands = [line.removeprefix("$ ") for line in blocks("console")[0].splitlines()]
    train, predict, probabilities, detached, logs, stop, delete = map(shlex.split, commands)
    # Stop first, since logs --follow waits for the end.
    for command in (train, predict, probabilities, detached, stop, logs, delete):
        printed = run(server, tmp_path, sys.executable, "-m", "lowcloud.cli", *command[1:])
        if command is predict:
            assert printed == "0\n0\n0\n"
        if command is probabilities:
            assert printed.splitlines()[0] == "0\t1"


@pytest.mark.parametrize("example", ["python_sdk.py"])
def test_an_example_runs(server: Server, tmp_path, example):
    printed = run(server, tmp_path, sys.executable, ROOT / "examples" / example)
    accuracies = [float(found) for found in re.findall(r": accuracy ([\d.]+) on", printed)]
    assert len(accuracies) == 2
    assert min(accuracies) > 0.9
