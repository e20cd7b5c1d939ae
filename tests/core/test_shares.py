"""What a replica may use of the machine."""

import pytest

from lowcloud.core import shares
from lowcloud.engine import Resources

GIGABYTE = 1 << 30


@pytest.mark.parametrize(
    ("machine", "reserve"),
    [(64 * GIGABYTE, int(6.4 * GIGABYTE)), (2 * GIGABYTE, GIGABYTE // 2), (512 << 20, 256 << 20)],
)
def test_a_reserve_of_the_memory_is_left_to_the_machine(cloud, monkeypatch, machine, reserve):
    monkeypatch.setattr(cloud.engine, "capacity", lambda: Resources(4.0, machine))
    assert shares.of_one_replica(cloud) == Resources(4.0, machine - reserve)
