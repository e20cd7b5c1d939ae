"""The capacity that an instance type gets on this machine."""

import pytest

from lowcloud.catalog.instances import INSTANCES
from lowcloud.core.scheduling import capacity
from lowcloud.engine.work import Resources

GIB = 1 << 30
LAPTOP = Resources(2.0, 20 * GIB, 0)
WORKSTATION = Resources(16.0, 128 * GIB, 2)


@pytest.mark.parametrize(
    ("machine", "reserve"), [(64 * GIB, int(6.4 * GIB)), (2 * GIB, GIB // 2), (512 << 20, 256 << 20)]
)
def test_a_reserve_of_the_memory_is_left_to_the_machine(context, monkeypatch, machine, reserve):
    monkeypatch.setattr(context.engine, "capacity", lambda: Resources(4.0, machine, 1))
    assert capacity.of_machine(context) == Resources(4.0, machine - reserve, 1)


def test_a_type_that_fits_gets_its_own_resources():
    assert capacity.fit(INSTANCES["ml.m5.large"], 1, LAPTOP) == capacity.Fitted(Resources(2.0, 8 * GIB, 0))
    assert capacity.fit(INSTANCES["ml.g5.xlarge"], 2, WORKSTATION) == capacity.Fitted(Resources(4.0, 16 * GIB, 1))


@pytest.mark.parametrize(
    ("requested", "count", "machine", "each", "sentence"),
    [
        (
            "ml.m5.4xlarge",
            1,
            LAPTOP,
            Resources(2.0, 20 * GIB, 0),
            "ml.m5.4xlarge has 16 vCPU and 64 GiB; this machine gives 2 and 20. ml.m5.large fits.",
        ),
        (
            "ml.p3.16xlarge",
            1,
            LAPTOP,
            Resources(2.0, 20 * GIB, 0),
            "ml.p3.16xlarge has 64 vCPU, 8 GPU and 488 GiB; this machine gives 2, 0 and 20.",
        ),
        (
            "ml.p3.16xlarge",
            1,
            WORKSTATION,
            Resources(16.0, 128 * GIB, 2),
            "ml.p3.16xlarge has 64 vCPU, 8 GPU and 488 GiB; this machine gives 16, 2 and 128.",
        ),
        (
            "ml.m5.large",
            4,
            LAPTOP,
            Resources(0.5, 5 * GIB, 0),
            "ml.m5.large has 2 vCPU and 8 GiB; this machine gives each of 4 0.5 and 5.",
        ),
    ],
)
def test_a_type_that_is_too_large_is_fitted_down_and_that_is_said(requested, count, machine, each, sentence):
    assert capacity.fit(INSTANCES[requested], count, machine) == capacity.Fitted(each, sentence)


@pytest.mark.parametrize("machine", [LAPTOP, WORKSTATION])
def test_every_type_runs_on_every_machine(machine):
    for name in (name for name, instance in INSTANCES.items() if instance.vcpus):
        for count in (1, 3):
            each = capacity.fit(INSTANCES[name], count, machine).each
            assert capacity.holds(machine, capacity.times(each, count))
            assert each.cpus > 0
            assert each.memory_bytes > 0
