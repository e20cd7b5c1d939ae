"""The NVIDIA GPUs of this machine, and which of them a replica sees."""

import re
from collections.abc import Iterable
from pathlib import Path

from lowcloud.engine.work import StagingError

DEVICES = Path("/dev")
FACTS = Path("/proc/driver/nvidia/gpus")  # <bus>/information: lines "GPU UUID: GPU-..." and "Device Minor: 0"
NODE = re.compile(r"nvidia([0-9]+)")


def present() -> tuple[int, ...]:
    """The numbers of those that the machine has."""
    return tuple(sorted(int(found[1]) for path in DEVICES.iterdir() if (found := NODE.fullmatch(path.name))))


def give(taken: Iterable[int], each: int, replicas: int) -> list[list[int]]:
    """The numbers of `each` GPUs for every replica, where some are taken. Raises StagingError."""
    if not each:
        return [[] for _ in range(replicas)]
    free = sorted(set(present()) - set(taken))
    if len(free) < each * replicas:
        facts = f"this machine has {len(present())}, of which {len(free)} are free"
        raise StagingError(f"The program needs {each * replicas} GPUs, and {facts}.")
    return [free[number * each : (number + 1) * each] for number in range(replicas)]


def hidden(given: Iterable[int]) -> list[str]:
    """The device nodes of those that a replica does not see."""
    return [str(DEVICES / f"nvidia{number}") for number in sorted(set(present()) - set(given))]


def environment(given: list[int], are_alone: bool) -> dict[str, str]:
    """What tells CUDA which GPUs to use. Where a replica sees no others, the drivers count those it has from 0."""
    known = {} if are_alone else _identities()
    names = [str(place) if are_alone else known.get(number, str(number)) for place, number in enumerate(given)]
    return {"CUDA_VISIBLE_DEVICES": ",".join(names), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def _identities() -> dict[int, str]:
    """UUIDs by number: unlike numbers, they mean the same to every driver."""
    found = {}
    for path in FACTS.glob("*/information"):
        facts = dict(re.findall(r"^(GPU UUID|Device Minor):\s*(\S+)", path.read_text(), re.MULTILINE))
        if len(facts) == 2:
            found[int(facts["Device Minor"])] = facts["GPU UUID"]
    return found
