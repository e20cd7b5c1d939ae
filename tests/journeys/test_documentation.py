"""The programs on pages of documentation do what the pages say."""

import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from tests.journeys.test_sagemaker_sdks import python, run
from tests.running import RunningCloud, csv_of

DOCS = Path(__file__).parents[2] / "docs"
PROGRAM = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("page", ["experiments.md"])
def test_the_programs_of_a_page_run_one_after_the_other(running_cloud: RunningCloud, tmp_path: Path, page: str) -> None:
    programs = PROGRAM.findall((DOCS / page).read_text())
    assert programs
    patients = load_breast_cancer()
    (tmp_path / "train.csv").write_bytes(csv_of(np.column_stack([patients.target, patients.data[:, :10]])))
    (tmp_path / "program.py").write_text("\n".join(programs))
    run(running_cloud, tmp_path, python(""), "program.py")
