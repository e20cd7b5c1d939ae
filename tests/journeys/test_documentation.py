"""The programs in the documentation run as described."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from tests.support.data.people import raw_rows
from tests.support.data.tables import csv_of
from tests.support.programs.sdk_programs import environment, python, run
from tests.support.servers.server import Server

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FILE = re.compile(r"# ([\w/]+\.(?:py|sh))\n(.*)", re.DOTALL)
UNIT = re.compile(r"^```ini\n(.*?)^```", re.DOTALL | re.MULTILINE)
PROGRAM = re.compile(r"^```(?:python|sh)\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("page", ["experiments.md", "processing.md", "processing-programs.md", "training.md"])
def test_the_programs_of_a_page_run_one_after_the_other(server: Server, tmp_path: Path, page: str) -> None:
    programs = PROGRAM.findall((DOCS / page).read_text())
    assert programs
    patients = load_breast_cancer()
    (tmp_path / "train.csv").write_bytes(csv_of(np.column_stack([patients.target, patients.data[:, :10]])))
    (tmp_path / "people.csv").write_bytes(raw_rows(600))
    files = [found for program in programs if (found := FILE.fullmatch(program))]
    for name, text in (found.groups() for found in files):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "program.py").write_text("\n".join(one for one in programs if not FILE.fullmatch(one)))
    run(server, tmp_path, python(""), "program.py")
    if (tmp_path / "functions.py").exists():
        server.cli("image", "add", "functions", "--python", str(environment("sagemaker")))
        assert run(server, tmp_path, python(""), "functions.py", "functions").endswith("3.0\n")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "version"), [("snippet.py", ""), ("snippet_3.py", "-3")])
def test_the_snippets_of_the_readme_run_without_a_warning(
    server: Server, folder: Path, name: str, version: str
) -> None:
    programs = (FILE.fullmatch(program) for program in PROGRAM.findall((ROOT / "README.md").read_text()))
    (folder / name).write_text(next(found[2] for found in programs if found and found[1] == name))
    done = server.cli("run", python(version), name, cwd=folder)
    assert "warning" not in (done.stdout + done.stderr).lower()
    assert (
        server.client("sagemaker").list_training_jobs()["TrainingJobSummaries"][0]["TrainingJobStatus"] == "Completed"
    )


def test_the_unit_of_the_service_is_one_that_systemd_accepts(tmp_path: Path) -> None:
    found = UNIT.search((DOCS / "operations.md").read_text())
    assert found
    command = Path(sys.executable).with_name("lowcloud")
    if (tool := shutil.which("systemd-analyze")) is None:
        pytest.skip("systemd is not installed")
    unit = tmp_path / "lowcloud.service"
    unit.write_text(found[1].replace("%h/lowcloud/.venv/bin/lowcloud", str(command)))
    verified = subprocess.run([tool, "verify", unit], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
