"""The cost of a fitted transform: microseconds for a request with one row of 20 raw columns, and per row of many.

Run: python benchmarks/transform.py
"""

import random
import time

from lowcloud.runtime.feature_transforms import SourceColumn, Transform
from lowcloud.runtime.feature_transforms.features import Hashed, OneHot, Scaled

ROWS = 2000
ROUNDS = 7


def make() -> Transform:
    """Return a transform of 14 numbers, 5 one-hot encoded texts, one hashed text and one derived column."""
    sources = [
        *(SourceColumn(f"n{i}", "number") for i in range(14)),
        *(SourceColumn(f"t{i}", "text") for i in range(6)),
    ]
    numbers = [Scaled(f"n{i}", -3.0, 3.0, 1.5, True, 0.1, 2.7) for i in range(14)]
    texts = [OneHot(f"t{i}", ("a", "b", None), other=True) for i in range(5)]
    derived = (("d", "log(`n1`) / `n2`"),)
    return Transform(tuple(sources), (*numbers, *texts, Hashed("t5", 16), Scaled("d", fill=0.0)), derived)


def main() -> None:
    draw = random.Random(0)
    transform = make()
    rows = [
        [*(f"{draw.gauss(0, 2):.6g}" if draw.random() > 0.1 else "" for _ in range(14)), *draw.choices("abcd", k=6)]
        for _ in range(ROWS)
    ]
    one, many = float("inf"), float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for row in rows:
            transform.row(row)
        between = time.perf_counter()
        transform.rows(rows)
        ended = time.perf_counter()
        one, many = min(one, (between - started) / ROWS), min(many, (ended - between) / ROWS)
    print(f"one row of 20 columns: {one * 1e6:.1f} us, {len(transform.names)} features")
    print(f"per row of {ROWS}: {many * 1e6:.1f} us")


if __name__ == "__main__":
    main()
