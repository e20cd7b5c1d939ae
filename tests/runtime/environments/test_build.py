"""Environments are built by a real installer, from packages that the tests create."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lowcloud import contract
from lowcloud.runtime.environments.build import TORCHVISION, install
from lowcloud.runtime.errors import ClientError
from tests.support.programs.greeting import BACKEND, PROJECT, SYSTEM


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "ml"
    package = folder / "code/greeting"
    package.mkdir(parents=True)
    (package / "backend.py").write_text(BACKEND)
    (package / "pyproject.toml").write_text(PROJECT + SYSTEM)
    (folder / "input/environment").mkdir(parents=True)
    return folder


def build(base: Path, requirements: str, **environment: str) -> tuple[int, str]:
    (base / contract.REQUIREMENTS).write_text(requirements)
    built = subprocess.run(
        [sys.executable, "-m", "lowcloud.runtime.environments.build"],
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(Path.cwd()),
            "TMPDIR": str(base.parent),
            "PIP_NO_INDEX": "1",
            "UV_NO_INDEX": "1",
            contract.BASE_DIR_VARIABLE: str(base),
            contract.ENVIRONMENT_VARIABLE: str(base.parent / "environment"),
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=240,
    )
    return built.returncode, built.stdout


def ask(base: Path, question: str) -> str:
    python = base.parent / "environment/bin/python"
    return subprocess.run([python, "-c", question], capture_output=True, text=True, check=True).stdout.strip()


def test_a_package_of_the_code_is_installed_and_base_packages_are_visible(base: Path) -> None:
    code, output = build(base, "./greeting\nnumpy\n")
    assert code == 0, output
    assert "already satisfied: numpy" in output
    assert "The environment is ready." in output
    assert ask(base, "import greeting, numpy; print(greeting.WORD)") == "hello"
    assert ask(base, "import sys, greeting; print(greeting.__file__.startswith(sys.prefix))") == "True"
    assert ask(base, "import sys, numpy; print(numpy.__file__.startswith(sys.prefix))") == "False"


def test_uv_installs_if_present_and_does_not_reinstall_base_packages(base: Path, tmp_path: Path) -> None:
    """A stand-in that notes how it is called: that uv itself does the same is for the slow test."""
    (tmp_path / "bin").mkdir()
    uv = tmp_path / "bin/uv"
    uv.write_text(
        '#!/bin/sh\necho "uv $*"\n'
        'while [ $# -gt 1 ]; do shift; [ "$1" = --output-file ] && echo greeting==1.0 >> "$2"; done; exit 0\n'
    )
    uv.chmod(0o755)
    code, output = build(base, "greeting\n", PATH=f"{uv.parent}:/usr/bin:/bin")
    assert code == 0, output
    assert "pip compile" in output
    assert "--no-deps" in output
    assert (tmp_path / "resolved.txt").read_text() == "greeting==1.0\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("no-such-package==9", "No matching distribution found for no-such-package==9"),
        ("./absent", "absent"),
        ("not a requirement!", "Invalid requirement: 'not a requirement!'"),
    ],
)
def test_a_failed_requirement_is_named_and_nothing_incomplete_is_left(base: Path, line: str, said: str) -> None:
    code, _ = build(base, line)
    assert code == contract.EXIT_CLIENT_ERROR
    failure = (base / contract.FAILURE).read_text()
    assert failure.startswith("ClientError: The requirements cannot be installed: ")
    assert said in failure
    assert not (base.parent / "environment/lib").exists()


def test_constraints_apply(base: Path) -> None:
    (base / contract.CONSTRAINTS).write_text("greeting>1\n")
    assert build(base, "./greeting")[0] == contract.EXIT_CLIENT_ERROR


@pytest.fixture
def torchvision(base: Path) -> Callable[[str], None]:
    """Write the source of a package torchvision with this code."""

    def write(module: str) -> None:
        package = base / "code/torchvision"
        package.mkdir()
        backend = BACKEND.replace('"greeting.py", "WORD = \'hello\'"', f'"torchvision/__init__.py", {module!r}')
        (package / "backend.py").write_text(backend.replace("greeting", "torchvision"))
        (package / "pyproject.toml").write_text(PROJECT.replace("greeting", "torchvision") + SYSTEM)

    return write


UNUSABLE = "raise RuntimeError('no operator nms')"
ANY_INDEX = {"PIP_CONFIG_FILE": os.devnull}  # which may limit the version


@pytest.mark.parametrize(("module", "is_kept"), [(UNUSABLE, False), ("", True)])
def test_a_torchvision_that_does_not_fit_its_pytorch_is_left_out(
    base: Path, torchvision: Callable[[str], None], module: str, is_kept: bool
) -> None:
    torchvision(module)
    code, output = build(base, f"./torchvision{contract.OPTIONAL}\n", **ANY_INDEX)
    assert code == 0, output
    assert ("torchvision does not fit the installed PyTorch (RuntimeError: no operator nms)" in output) is not is_kept
    found = "import importlib.util as u; print(u.find_spec('torchvision') is not None)"
    assert ask(base, found) == str(is_kept)


def test_a_torchvision_that_is_required_and_does_not_fit_is_refused(
    base: Path, torchvision: Callable[[str], None]
) -> None:
    torchvision(UNUSABLE)
    code, _ = build(base, "./torchvision\n", **ANY_INDEX)
    assert code == contract.EXIT_CLIENT_ERROR
    failure = (base / contract.FAILURE).read_text()
    assert "The required torchvision does not fit the installed PyTorch (RuntimeError: no operator nms)" in failure
    assert not (base.parent / "environment/lib").exists()


@pytest.mark.parametrize(
    ("line", "names_it"),
    [
        ("torchvision", True),
        ("TorchVision>=0.18", True),
        ("torchvision @ https://example.com/a.whl", True),
        ("https://example.com/torchvision-0.18.0-cp311.whl", True),
        ("./torchvision", True),
        ("torchvision[gdown]==0.18", True),
        ("torchvision-extras", False),
        ("mytorchvision", False),
        ("timm", False),
    ],
)
def test_a_requirement_names_torchvision_in_any_form(line: str, names_it: bool) -> None:
    assert bool(TORCHVISION.search(line)) is names_it


@pytest.mark.skipif(shutil.which("uv") is None, reason="uv is not installed here")
def test_the_real_uv_does_not_reinstall_base_packages(base: Path) -> None:
    uv = shutil.which("uv")
    assert uv
    code, output = build(base, "./greeting\nnumpy\n", PATH=f"{Path(uv).parent}:/usr/bin:/bin")
    assert code == 0, output
    assert ask(base, "import greeting, sys, numpy; print(greeting.WORD, numpy.__file__.startswith(sys.prefix))") == (
        "hello False"
    )


@pytest.mark.slow
def test_a_package_of_the_index_is_installed(base: Path) -> None:
    settings = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_", "HTTPS_"))}
    code, output = build(base, "six==1.16.0", **{**settings, "PIP_NO_INDEX": "0"})
    assert code == 0, output
    assert ask(base, "import six; print(six.__version__)") == "1.16.0"


def test_a_killed_installer_is_distinguished_from_a_failed_one(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="The installer was killed by SIGKILL"):
        install(["sh", "-c", "kill -9 $$"], {"PATH": "/usr/bin:/bin"}, tmp_path)
