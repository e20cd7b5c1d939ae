"""Raw rows as people have them: missing numbers, texts, and a target of yes and no."""

import numpy as np


def raw_rows(count: int) -> bytes:
    random = np.random.default_rng(3)
    age, city = random.normal(40, 12, count), random.choice(["Rome", "Oslo", "Lima"], count)
    left = (age - 40) / 12 + 2.0 * (city == "Oslo") - 0.5 + random.normal(0, 0.5, count) > 0
    lines = [f"{'' if i % 9 == 0 else f'{age[i]:.1f}'},{city[i]},{'yes' if left[i] else 'no'}" for i in range(count)]
    return ("age,city,left\n" + "\n".join(lines) + "\n").encode()
