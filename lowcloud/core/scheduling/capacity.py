"""Shares of the machine: what an instance type is fitted to, and what is left for jobs beside the endpoints."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, select

from lowcloud.catalog import instances
from lowcloud.catalog.instances import Instance
from lowcloud.core.context import Context
from lowcloud.engine.work import Resources
from lowcloud.store.db.tables import endpoints

RESERVE_SHARE = 0.1  # of the memory: for the kernel, the server and the warm parent
RESERVE_BYTES = 512 * 1024 * 1024
JOBS_SHARE = 0.5  # of the memory jobs always have: endpoints seldom use what they may
GIB = 1 << 30
ROUNDING = 1e-6  # of processors: shares of three replicas add up to one
NOTHING = Resources(0.0, 0, 0)


@dataclass(frozen=True)
class Fitted:
    """What each replica of an instance type gets of this machine, and a sentence where that is less than it says."""

    each: Resources
    sentence: str = ""


def fit(instance_type: str, count: int, capacity: Resources) -> Fitted:
    """`count` replicas of an instance type on a machine, all at once. Raises instances.UnknownInstanceType."""
    instance = instances.find(instance_type)
    asked = of_instance(instance)
    each = fit_down(asked, count, capacity)
    return Fitted(each, "" if each == asked else _sentence(instance, count, each))


def fit_down(asked: Resources, count: int, capacity: Resources) -> Resources:
    """What each of `count` replicas gets where the machine can give them no more than this, empty."""
    return Resources(
        min(asked.cpus, capacity.cpus / count),
        min(asked.memory_bytes, capacity.memory_bytes // count),
        min(asked.gpus, capacity.gpus // count),
    )


def of_instance(instance: Instance) -> Resources:
    """What an instance of AWS has. Accelerators that are no GPUs have no like here."""
    return Resources(float(instance.vcpus), int(instance.memory_gib * GIB), instance.gpus)


def of_machine(context: Context) -> Resources:
    """All processors, and the memory less a reserve; a small machine keeps no more than half of it."""
    capacity = context.engine.capacity()
    reserve = min(max(int(capacity.memory_bytes * RESERVE_SHARE), RESERVE_BYTES), capacity.memory_bytes // 2)
    return Resources(capacity.cpus, capacity.memory_bytes - reserve, capacity.gpus)


def of_replica(context: Context, instance_type: str) -> Fitted:
    """What a replica of an endpoint may use. They wait for requests most of the time, so they share the processors."""
    return fit(instance_type, 1, of_machine(context))


def of_jobs(context: Context, connection: Connection) -> Resources:
    """What jobs may use: the machine less the memory of the endpoints that are there, but always half of it."""
    machine = of_machine(context)
    served = sum(
        variant["instance_count"] * fit(variant["instance_type"], 1, machine).each.memory_bytes
        for progress in connection.scalars(select(endpoints.c.progress).where(endpoints.c.due_at.is_not(None)))
        for variant in progress["variants"]
    )
    left = max(machine.memory_bytes - served, int(machine.memory_bytes * JOBS_SHARE))
    return Resources(machine.cpus, left, machine.gpus)


def times(each: Resources, count: int) -> Resources:
    """What so many replicas use together."""
    return Resources(each.cpus * count, each.memory_bytes * count, each.gpus * count)


def total(parts: Iterable[Resources]) -> Resources:
    """What all of these use together."""
    listed = list(parts)
    return Resources(
        sum((part.cpus for part in listed), 0.0),
        sum(part.memory_bytes for part in listed),
        sum(part.gpus for part in listed),
    )


def less(whole: Resources, part: Resources) -> Resources:
    """What is left of the whole; below nothing where the part is the larger."""
    return Resources(whole.cpus - part.cpus, whole.memory_bytes - part.memory_bytes, whole.gpus - part.gpus)


def holds(whole: Resources, part: Resources) -> bool:
    """Whether the whole has room for the part."""
    return part.cpus <= whole.cpus + ROUNDING and part.memory_bytes <= whole.memory_bytes and part.gpus <= whole.gpus


def dominant(part: Resources, whole: Resources) -> float:
    """The largest of its shares of processors, memory and GPUs (dominant resource fairness, Ghodsi et al. 2011)."""
    pairs = ((part.cpus, whole.cpus), (part.memory_bytes, whole.memory_bytes), (part.gpus, whole.gpus))
    return max((used / there for used, there in pairs if there), default=0.0)


def _sentence(instance: Instance, count: int, each: Resources) -> str:
    has, gets = [f"{instance.vcpus} vCPU"], [f"{each.cpus:.3g}"]
    if instance.gpus:
        has.append(f"{instance.gpus} GPU")
        gets.append(str(each.gpus))
    whose = "this machine gives" if count == 1 else f"this machine gives each of {count}"
    return (
        f"{instance.name} has {', '.join(has)} and {instance.memory_gib:.3g} GiB; "
        f"{whose} {', '.join(gets)} and {each.memory_bytes / GIB:.3g}."
    )
