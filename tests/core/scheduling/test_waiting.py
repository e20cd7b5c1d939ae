"""What a job that waits is said to wait for."""

import pytest

from lowcloud.catalog import instances
from lowcloud.core.scheduling import capacity
from lowcloud.core.scheduling.queue import Holding
from lowcloud.core.scheduling.waiting import Usage, describe
from lowcloud.engine.work import Resources

GIB = 1 << 30
MACHINE = Resources(4.0, 16 * GIB, 1)


def holding(name: str, cpus: float = 0.0, gib: int = 0, gpus: int = 0, until: float | None = None) -> Holding:
    return Holding(("training_jobs", name), Resources(cpus, gib * GIB, gpus), until=until)


@pytest.mark.parametrize(
    ("need", "holdings", "ahead", "sentence"),
    [
        (Resources(2, GIB), [holding("xgb-3", 4.0)], 0, "Waiting for 2 cores: xgb-3 uses them"),
        (Resources(1, GIB), [holding("a", 4.0)], 1, "Waiting for 1 core: a uses it; 1 job is ahead"),
        (Resources(2, GIB), [holding("a", 3.0)], 0, "Waiting for 2 cores (1 free): a uses the rest"),
        (Resources(2, GIB), [holding("a", 2.0), holding("b", 2.0)], 0, "Waiting for 2 cores: a and b use them"),
        (
            Resources(2, GIB),
            [holding(name, 0.8) for name in "abcde"],
            2,
            "Waiting for 2 cores: a, b, c and 2 more use them; 2 jobs are ahead",
        ),
        (Resources(2, GIB), [holding("a", 4.0, until=9.0)], 0, "Waiting for 2 cores: the warm pool of a uses them"),
        (Resources(1, 8 * GIB), [holding("a", 1.0, 16)], 0, "Waiting for 8 GiB of memory: a uses it"),
        (Resources(1, 17 * GIB), [], 0, "Waiting for 17 GiB of memory (16 GiB free): endpoints use the rest"),
        (Resources(1, GIB, 1), [holding("a", 1.0, 1, 1)], 0, "Waiting for 1 GPU: a uses it"),
        (Resources(1, GIB), [], 3, "Waiting for its turn: 3 jobs are ahead"),
        (Resources(1, GIB), [], 0, "Waiting for capacity"),
    ],
)
def test_the_sentence_names_what_is_missing_and_who_uses_it(need, holdings, ahead, sentence):
    assert describe(need, Usage(MACHINE, holdings), ahead) == sentence


@pytest.mark.parametrize(
    ("asked", "count", "fits"),
    [
        ("ml.m5.24xlarge", 1, "ml.m5.xlarge"),  # 4 cores and 16 GiB
        ("ml.m5.24xlarge", 2, "ml.m5.large"),
        ("ml.r5.24xlarge", 1, "ml.r5.large"),  # 2 cores and 16 GiB
        ("ml.c8a.16xlarge", 1, "ml.m8i.xlarge"),  # the family has no other size
    ],
)
def test_a_type_larger_than_the_machine_is_told_which_fits(asked, count, fits):
    instance = instances.find(asked)
    found = capacity.largest_fitting(instance, count, MACHINE)
    assert found is not None
    assert (found.vcpus, found.memory_gib) == (instances.find(fits).vcpus, instances.find(fits).memory_gib)
    assert f" {found.name} fits." in capacity.fit(instance, count, MACHINE).message
