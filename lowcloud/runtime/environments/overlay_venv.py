"""Creates, in a millisecond, a virtual environment that has another environment's packages at the end of its path.

A program can install packages into this overlay without affecting others; the base environment's packages count as
installed.
"""

import os
import re
import sys
from pathlib import Path

PIP = """#!/bin/sh
exec "$(dirname "$0")/python" -m pip "$@"
"""


def create(folder: Path, python: str) -> str | None:
    """Create an overlay over the environment of the interpreter `python`; return the path of its interpreter.

    Returns None if the version of `python` cannot be determined without running it.
    """
    prefix = Path(python).parent.parent
    settings = _settings(prefix)
    version = _version(python, prefix)
    if version is None:
        return None
    real = os.path.realpath(python)
    packages = folder / "lib" / f"python{version}" / "site-packages"
    packages.mkdir(parents=True)
    (folder / "bin").mkdir(exist_ok=True)
    for name in ("python", "python3", f"python{version}"):
        (folder / "bin" / name).symlink_to(real)
    for name in ("pip", "pip3"):
        (folder / "bin" / name).write_text(PIP)
        (folder / "bin" / name).chmod(0o755)
    includes_system = settings.get("include-system-site-packages", "false") if settings else "true"
    home = settings.get("home", str(Path(real).parent))
    (folder / "pyvenv.cfg").write_text(
        f"home = {home}\ninclude-system-site-packages = {includes_system}\nversion = {version}\n"
    )
    if settings:
        # addsitedir also reads the .pth files there, by which editable packages are found.
        base_packages = prefix / "lib" / f"python{version}" / "site-packages"
        (packages / "base_packages.pth").write_text(f"import site; site.addsitedir({str(base_packages)!r})\n")
    return str(folder / "bin" / "python")


def _settings(prefix: Path) -> dict[str, str]:
    """Read pyvenv.cfg, which makes a folder a virtual environment; empty for a complete installation."""
    try:
        text = (prefix / "pyvenv.cfg").read_text()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _version(python: str, prefix: Path) -> str | None:
    """Return the version of an interpreter, such as "3.11", or None."""
    with Path(python).open("rb") as file:
        if file.read(2) == b"#!":  # a script that selects an interpreter, which would not find the overlay
            return None
    if os.path.realpath(python) == os.path.realpath(sys.executable):
        return f"{sys.version_info.major}.{sys.version_info.minor}"
    match = re.search(r"python(3\.\d+)$", os.path.realpath(python))
    if match:
        return match[1]
    folders = list(prefix.glob("lib/python3.*/site-packages"))
    return folders[0].parent.name.removeprefix("python") if len(folders) == 1 else None
