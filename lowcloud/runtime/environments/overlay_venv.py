"""A virtual environment, written by hand in a millisecond, that shows another one's packages at the end of its path.

It lets a program install what it likes where nobody else is touched: `pip install` writes into the layer, and what
lies beneath counts as installed.
"""

import os
import re
import sys
from pathlib import Path

PIP = """#!/bin/sh
exec "$(dirname "$0")/python" -m pip "$@"
"""


def lay(folder: Path, python: str) -> str | None:
    """Make the environment `folder` above that of the interpreter `python`; the path of its own interpreter.

    None where the version of `python` cannot be told without running it.
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
    shows_system = settings.get("include-system-site-packages", "false") if settings else "true"
    home = settings.get("home", str(Path(real).parent))
    (folder / "pyvenv.cfg").write_text(
        f"home = {home}\ninclude-system-site-packages = {shows_system}\nversion = {version}\n"
    )
    if settings:
        # addsitedir, for it reads the .pth files there too, by which editable packages are found.
        beneath = prefix / "lib" / f"python{version}" / "site-packages"
        (packages / "beneath.pth").write_text(f"import site; site.addsitedir({str(beneath)!r})\n")
    return str(folder / "bin" / "python")


def _settings(prefix: Path) -> dict[str, str]:
    """What makes a folder a virtual environment; empty for a whole installation."""
    try:
        text = (prefix / "pyvenv.cfg").read_text()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _version(python: str, prefix: Path) -> str | None:
    """Such as "3.11"."""
    with Path(python).open("rb") as file:
        if file.read(2) == b"#!":  # a script that picks an interpreter, which would then not know of the layer
            return None
    if os.path.realpath(python) == os.path.realpath(sys.executable):
        return f"{sys.version_info.major}.{sys.version_info.minor}"
    named = re.search(r"python(3\.\d+)$", os.path.realpath(python))
    if named:
        return named[1]
    there = list(prefix.glob("lib/python3.*/site-packages"))
    return there[0].parent.name.removeprefix("python") if len(there) == 1 else None
