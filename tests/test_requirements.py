"""The locked versions satisfy the requirements, whichever index they were found on."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
WANTED = sorted((ROOT / "requirements").glob("*.in"))
NAMES = [path.stem for path in WANTED]


def lines(path: Path) -> list[str]:
    """The requirements of a file, without comments."""
    stripped = (re.sub(r"(^|\s+)#.*", "", line) for line in path.read_text().splitlines())
    return [line for line in stripped if line]


def wanted(name: str) -> list[Requirement]:
    """Return the requirements of an environment; those of Lowcloud itself are in pyproject.toml."""
    requested = lines(ROOT / "requirements" / f"{name}.in")
    if "-e .[dev]" not in requested:
        return [Requirement(line) for line in requested]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    own = {extra for line in extras["dev"] if line.startswith("lowcloud[") for extra in Requirement(line).extras}
    found = [*project["dependencies"], *extras["dev"], *(line for extra in own for line in extras[extra])]
    return [Requirement(line) for line in found if not line.startswith("lowcloud[")]


def locked(name: str) -> dict[str, list[str]]:
    """Every version of each package in a lock, since Pythons and platforms may differ."""
    found: dict[str, list[str]] = {}
    for line in lines(ROOT / "requirements" / f"{name}.txt"):
        if line != "-e .":
            package, version = line.split(";")[0].strip().split("==")
            found.setdefault(canonicalize_name(package), []).append(version)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_file_has_every_required_package_in_an_allowed_version(name: str) -> None:
    versions = locked(name)
    for requirement in wanted(name):
        there = versions.get(canonicalize_name(requirement.name), [])
        allowed = [version for version in there if requirement.specifier.contains(version, prereleases=True)]
        assert allowed, f"{requirement} is not in requirements/{name}.txt, which has {there}: run scripts/lock"


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_names_no_package_index_and_no_file_of_a_machine(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    assert "://" not in text
    assert " /" not in text


def test_pytorch_is_never_locked_in_a_build_for_cuda() -> None:
    names = locked("torch")
    assert not [name for name in names if name.startswith("nvidia")]
    assert any(
        line.startswith("torch==") and "+cpu ; sys_platform == 'linux'" in line
        for line in lines(ROOT / "requirements/torch.txt")
    )
