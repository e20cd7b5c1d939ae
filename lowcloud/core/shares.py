"""What a replica may use of the machine: nearly all, so that a greedy one ends before the machine suffers."""

from lowcloud.core.cloud import Cloud
from lowcloud.engine import Resources

RESERVE_SHARE = 0.1  # of the memory: for the kernel, the server and the warm parent
RESERVE_BYTES = 512 * 1024 * 1024


def of_one_replica(cloud: Cloud) -> Resources:
    """All processors, and the memory less a reserve; a small machine keeps no more than half of it."""
    capacity = cloud.engine.capacity()
    reserve = min(max(int(capacity.memory_bytes * RESERVE_SHARE), RESERVE_BYTES), capacity.memory_bytes // 2)
    return Resources(cpus=capacity.cpus, memory_bytes=capacity.memory_bytes - reserve)
