"""Overlay environments over virtual environments and complete installations."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from lowcloud.runtime.environments.overlay_venv import create


def ask(python: str, question: str) -> str:
    return subprocess.run([python, "-c", question], capture_output=True, text=True, check=True, env={}).stdout.strip()


@pytest.fixture
def beneath(tmp_path: Path) -> Path:
    """A user's environment with a package of its own and an editable one."""
    venv.create(tmp_path / "beneath", symlinks=True, with_pip=False)
    (site,) = (tmp_path / "beneath/lib").glob("python3*/site-packages")
    (site / "plain.py").write_text("WORD = 'beneath'")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/editable.py").write_text("WORD = 'editable'")
    (site / "editable.pth").write_text(str(tmp_path / "elsewhere"))
    return tmp_path / "beneath/bin/python"


def test_base_packages_are_visible_and_the_overlays_come_first(beneath: Path, tmp_path: Path) -> None:
    python = create(tmp_path / "overlay", str(beneath))
    assert python
    assert ask(python, "import plain, editable; print(plain.WORD, editable.WORD)") == "beneath editable"
    assert ask(python, "import sys; print(sys.prefix)") == str(tmp_path / "overlay")
    (site,) = (tmp_path / "overlay/lib").glob("python3*/site-packages")
    (site / "plain.py").write_text("WORD = 'above'")
    assert ask(python, "import plain; print(plain.WORD)") == "above"
    assert ask(str(beneath), "import plain; print(plain.WORD)") == "beneath"


def test_overlays_can_be_stacked(beneath: Path, tmp_path: Path) -> None:
    python = create(tmp_path / "overlay", str(beneath))
    assert python
    upper = create(tmp_path / "upper", python)
    assert upper
    assert ask(upper, "import plain, editable; print(plain.WORD, editable.WORD)") == "beneath editable"


def test_an_overlay_can_be_over_a_complete_installation(tmp_path: Path) -> None:
    whole = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    if not whole.exists():
        pytest.skip("the base installation has no interpreter by this name")
    python = create(tmp_path / "overlay", str(whole))
    assert python
    assert ask(python, "import sys; print(sys.prefix)") == str(tmp_path / "overlay")
    sites = "import site; print(set(site.getsitepackages()) <= set(sys.path))"
    assert ask(python, f"import sys; {sites}") == "True"


def test_an_interpreter_that_is_a_script_gets_no_overlay(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").write_text('#!/bin/sh\nexec python3 "$@"\n')
    assert create(tmp_path / "overlay", str(tmp_path / "bin/python")) is None
    assert not (tmp_path / "overlay").exists()
