"""How long `scripts/install` takes in a fresh clone with nothing cached, with uv and with pip in turn.

    python benchmarks/install.py [ROUNDS]

Seconds of wall time and of CPU of the whole process tree, and the ratio of pip to uv. It downloads every package in
every round.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
INSTALLERS = ("uv", "pip")


def measure(installer: str) -> tuple[float, float]:
    """Return the wall and the CPU seconds of one installation."""
    with tempfile.TemporaryDirectory() as folder:
        clone, home = Path(folder, "clone"), Path(folder, "home")
        home.mkdir()
        subprocess.run(["git", "clone", "--quiet", REPOSITORY, clone], check=True)
        variables = {
            **os.environ,
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home / "cache"),
            "UV_CACHE_DIR": str(home / "uv"),
            "PIP_CACHE_DIR": str(home / "pip"),
        }
        if installer == "pip":
            variables["INSTALLER"] = "pip"
        start, used = time.monotonic(), cpu_seconds()
        subprocess.run(["scripts/install"], cwd=clone, env=variables, check=True, stdout=subprocess.DEVNULL)
        return time.monotonic() - start, cpu_seconds() - used


def cpu_seconds() -> float:
    """Return the CPU seconds of all processes that this one has started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Print a line for each installation and each ratio."""
    for number in range(int(sys.argv[1]) if len(sys.argv) > 1 else 1):
        figures = {installer: measure(installer) for installer in INSTALLERS}
        for installer, (wall, cpu) in figures.items():
            print(f"round {number + 1}  {installer:4} {wall:6.1f} s, {cpu:6.1f} CPU s", flush=True)
        wall, cpu = (pip / uv for pip, uv in zip(figures["pip"], figures["uv"], strict=True))
        print(f"round {number + 1}  pip/uv {wall:.1f} times the time, {cpu:.1f} times the CPU")


if __name__ == "__main__":
    main()
