"""The NVIDIA GPUs of this machine and their allocation to replicas."""

import re
from collections.abc import Iterable
from pathlib import Path

from lowcloud.engine.work import StagingError

DEVICES = Path("/dev")
# <bus>/information: lines "GPU UUID: GPU-..." and "Device Minor: 0"
DRIVER_INFORMATION = Path("/proc/driver/nvidia/gpus")
NODE = re.compile(r"nvidia([0-9]+)")


def list_installed() -> tuple[int, ...]:
    """Return the numbers of the machine's GPUs."""
    return tuple(sorted(int(found[1]) for path in DEVICES.iterdir() if (found := NODE.fullmatch(path.name))))


def allocate(in_use: Iterable[int], per_replica: int, replicas: int) -> list[list[int]]:
    """Return the numbers of `per_replica` free GPUs for every replica. Raises StagingError if there are too few."""
    if not per_replica:
        return [[] for _ in range(replicas)]
    installed, requested = list_installed(), per_replica * replicas
    free = sorted(set(installed) - set(in_use))
    if len(free) < requested:
        raise StagingError(
            f"The program needs {requested} GPUs; this machine has {len(installed)}, of which {len(free)} are free."
        )
    return [free[number * per_replica : (number + 1) * per_replica] for number in range(replicas)]


def hidden_devices(allocated: Iterable[int]) -> list[str]:
    """Return the device nodes of the GPUs that are not allocated to a replica."""
    return [str(DEVICES / f"nvidia{number}") for number in sorted(set(list_installed()) - set(allocated))]


def variables(allocated: list[int], others_hidden: bool) -> dict[str, str]:
    """Return the variables that select the GPUs in CUDA. If a replica sees no others, drivers number them from 0."""
    if others_hidden:
        names = [str(index) for index in range(len(allocated))]
    else:
        uuids = _read_uuids()
        names = [uuids.get(number, str(number)) for number in allocated]
    return {"CUDA_VISIBLE_DEVICES": ",".join(names), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def _read_uuids() -> dict[int, str]:
    """Return the UUIDs by number: unlike numbers, they mean the same to every driver."""
    uuids = {}
    for path in DRIVER_INFORMATION.glob("*/information"):
        fields = dict(re.findall(r"^(GPU UUID|Device Minor):\s*(\S+)", path.read_text(), re.MULTILINE))
        if len(fields) == 2:
            uuids[int(fields["Device Minor"])] = fields["GPU UUID"]
    return uuids
