"""How fast LocalEngine starts work and reports its status: medians in ms, compared with starting a plain process.

python benchmarks/engine.py
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lowcloud.engine.local.engine import LocalEngine
from lowcloud.engine.work import Phase, Replica, Resources, Work

ROUNDS = 15
LINES = 1_000_000
SMALL = Resources(cpus=1, memory_bytes=1 << 30)
# Fails immediately because its files are missing; the measurement needs only the first line it prints.
BUILT_IN = ("python", "-m", "lowcloud.runtime.training.train", "linear-learner")
INTERPRETER = ("python", "-c", "print('ready')")
NUMPY = ("python", "-c", "import numpy; print('ready')")


def first_line(engine: LocalEngine, command: tuple[str, ...], name: str) -> float:
    """Return the seconds from start() to the first line in the log."""
    began = time.perf_counter()
    engine.start(Work(name, command, (Replica(),), SMALL))
    while not engine.logs(name, 0, 0).lines:
        time.sleep(0.0005)
    took = time.perf_counter() - began
    wait(engine, name)
    engine.remove(name)
    return took


def bare(command: tuple[str, ...]) -> float:
    """Return the seconds to the first line of the same program as a plain child process."""
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, *command[1:]], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        return time.perf_counter() - began


def wait(engine: LocalEngine, name: str) -> None:
    while engine.status(name)[0].phase != Phase.EXITED:
        time.sleep(0.0005)


def median(measure: Callable[[int], float]) -> float:
    return statistics.median(measure(number) for number in range(ROUNDS))


def microseconds_per_call(call: Callable[[], object], calls: int = 2000) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - began) / calls * 1e6


def start_table(engine: LocalEngine) -> Table:
    table = Table("start to first line, ms", "median", "bare process", "ratio", title=engine.isolation())
    for label, command, peer in (
        ("python", INTERPRETER, INTERPRETER),
        ("python + numpy", NUMPY, NUMPY),
        ("built-in program, forked warm", BUILT_IN, NUMPY),
    ):
        ours = median(lambda number, command=command: first_line(engine, command, f"start-{number}"))
        theirs = median(lambda _, peer=peer: bare(peer))
        table.add_row(label, f"{ours * 1e3:.1f}", f"{theirs * 1e3:.1f}", f"{ours / theirs:.2f}")
    return table


def status_table(engine: LocalEngine) -> Table:
    table = Table("measurement", "figure")
    engine.start(Work("idle", ("sleep", "600"), (Replica(),), SMALL))
    table.add_row("status() of running work, us", f"{microseconds_per_call(lambda: engine.status('idle')):.0f}")
    engine.remove("idle")
    began = time.perf_counter()
    engine.start(Work("lines", ("python", "-c", f"print('line\\n' * {LINES})"), (Replica(),), SMALL))
    wait(engine, "lines")
    written = time.perf_counter() - began
    began, count, offset = time.perf_counter(), 0, 0
    while (page := engine.logs("lines", 0, offset)).lines:
        count, offset = count + len(page.lines), page.next_offset
    table.add_row("log lines written, millions/s", f"{LINES / written / 1e6:.2f}")
    table.add_row("log lines read, millions/s", f"{count / (time.perf_counter() - began) / 1e6:.2f}")
    engine.remove("lines")
    return table


def main() -> None:
    console = Console()
    with tempfile.TemporaryDirectory() as folder:
        engine = LocalEngine(Path(folder) / "work", lambda _source: iter(()))
        engine.warm_up()
        engine.wait_until_ready(60)
        first_line(engine, BUILT_IN, "warm")  # waits until the warm parent is ready
        console.print(start_table(engine))
        console.print(status_table(engine))
        engine.close()


if __name__ == "__main__":
    main()
