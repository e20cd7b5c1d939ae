"""The programs in the documentation run as described."""

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from tests.support.data.tables import csv_of
from tests.support.programs.sdk_programs import environment, python, run
from tests.support.servers.server import Server

DOCS = Path(__file__).parents[2] / "docs"
FILE = re.compile(r"# ([\w/]+\.(?:py|sh))\n(.*)", re.DOTALL)
PROGRAM = re.compile(r"^```(?:python|sh)\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("page", ["experiments.md", "processing.md", "training.md"])
def test_the_programs_of_a_page_run_one_after_the_other(server: Server, tmp_path: Path, page: str) -> None:
    programs = PROGRAM.findall((DOCS / page).read_text())
    assert programs
    patients = load_breast_cancer()
    (tmp_path / "train.csv").write_bytes(csv_of(np.column_stack([patients.target, patients.data[:, :10]])))
    files = [found for program in programs if (found := FILE.fullmatch(program))]
    for name, text in (found.groups() for found in files):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "program.py").write_text("\n".join(one for one in programs if not FILE.fullmatch(one)))
    run(server, tmp_path, python(""), "program.py")
    if (tmp_path / "functions.py").exists():
        server.cli("image", "add", "functions", "--python", str(environment("sagemaker")))
        assert run(server, tmp_path, python(""), "functions.py", "functions").endswith("3.0\n")
