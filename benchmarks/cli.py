"""CPU time of commands: `lowcloud --help`, `status`, `jobs` ... as a ratio to that of an empty Python program.

    .venv/bin/python benchmarks/cli.py [--runs 10]

Each command runs on a server with one finished job, in turn with `python -c pass`, so that a busy machine slows both.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

COMMANDS = ("--help", "status", "jobs", "endpoints", "describe benchmark", "logs benchmark", "data", "down --help")


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        environment = {**os.environ, "LOWCLOUD_HOME": str(home)}
        cli = [sys.executable, "-m", "lowcloud.cli"]
        (Path(folder) / "train.py").write_text("print('trained')\n")
        (Path(folder) / "data.csv").write_text("1,2\n")
        try:
            _run([*cli, "up", "--detach", "--port", "0"], environment, folder)
            _run([*cli, "train", "train.py", "data.csv", "--name", "benchmark"], environment, folder)
            print(f"{'command':30}{'CPU seconds':>12}{'ratio to an empty Python program':>36}")
            for command in COMMANDS:
                pairs = [
                    (
                        _cpu_seconds([*cli, *command.split()], environment, folder),
                        _cpu_seconds([sys.executable, "-c", "pass"], environment, folder),
                    )
                    for _ in range(runs)
                ]
                seconds, ratio = (
                    statistics.median(column) for column in zip(*((a, a / b) for a, b in pairs), strict=True)
                )
                print(f"lowcloud {command:21}{seconds:12.3f}{ratio:36.1f}")
        finally:
            _run([*cli, "down"], environment, folder)


def _cpu_seconds(command: list[str], environment: dict[str, str], folder: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _run(command, environment, folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _run(command: list[str], environment: dict[str, str], folder: str) -> None:
    subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True)


if __name__ == "__main__":
    main()
