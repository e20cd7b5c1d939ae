"""The capacity of the machine: fitting instance types to it, and the share of jobs next to endpoints."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from lowcloud.catalog import instances
from lowcloud.catalog.instances import Instance, UnknownInstanceTypeError
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError
from lowcloud.engine.work import Resources

RESERVE_SHARE = 0.1  # of the memory: for the kernel, the server and the warm parent
RESERVE_BYTES = 512 * 1024 * 1024
JOBS_SHARE = 0.5  # of the memory is always left for jobs: endpoints rarely use all that they may
GIB = 1 << 30
ROUNDING = 1e-6  # of processors: those of three replicas add up to one
NOTHING = Resources(0.0, 0, 0)


@dataclass(frozen=True)
class Fitted:
    """The resources of each replica of an instance type on this machine, and a message if the type has more."""

    each: Resources
    message: str = ""


def find_instance(instance_type: str) -> Instance:
    """Return the instance type of this name. Raises InvalidError."""
    try:
        return instances.find(instance_type)
    except UnknownInstanceTypeError as error:
        raise InvalidError(str(error)) from error


def fit(instance: Instance, count: int, capacity: Resources) -> Fitted:
    """Fit `count` replicas of an instance type on a machine, all at once."""
    requested = of_instance(instance)
    each = fit_down(requested, count, capacity)
    return Fitted(each, "" if each == requested else _message(instance, count, each, capacity))


def fit_down(requested: Resources, count: int, capacity: Resources) -> Resources:
    """Return what each of `count` replicas gets of an idle machine of this capacity."""
    return Resources(
        min(requested.cpus, capacity.cpus / count),
        min(requested.memory_bytes, capacity.memory_bytes // count),
        min(requested.gpus, capacity.gpus // count),
    )


def of_instance(instance: Instance) -> Resources:
    """Return the resources of an instance of AWS. Accelerators other than GPUs have no equivalent here."""
    return Resources(float(instance.vcpus), int(instance.memory_gib * GIB), instance.gpus)


def of_machine(context: Context) -> Resources:
    """Return all processors, and the memory less a reserve, which is at most half of it."""
    capacity = context.engine.capacity()
    reserve = min(max(int(capacity.memory_bytes * RESERVE_SHARE), RESERVE_BYTES), capacity.memory_bytes // 2)
    return Resources(capacity.cpus, capacity.memory_bytes - reserve, capacity.gpus)


def of_replica(context: Context, instance_type: str) -> Fitted:
    """Return what a replica of an endpoint may use. Replicas are mostly idle, so they share the processors."""
    return fit(instances.find(instance_type), 1, of_machine(context))


def of_jobs(context: Context, connection: Connection) -> Resources:
    """Return what jobs may use: the machine less the memory that other kinds have reserved, but always half of it."""
    machine = of_machine(context)
    reserved = sum(kind.reserved_memory(context, connection) for kind in context.kinds if kind.reserved_memory)
    left = max(machine.memory_bytes - reserved, int(machine.memory_bytes * JOBS_SHARE))
    return Resources(machine.cpus, left, machine.gpus)


def times(each: Resources, count: int) -> Resources:
    """Return the resources of `count` replicas."""
    return Resources(each.cpus * count, each.memory_bytes * count, each.gpus * count)


def total(parts: Iterable[Resources]) -> Resources:
    """Return the sum of resources."""
    listed = list(parts)
    return Resources(
        sum((part.cpus for part in listed), 0.0),
        sum(part.memory_bytes for part in listed),
        sum(part.gpus for part in listed),
    )


def less(whole: Resources, part: Resources) -> Resources:
    """Return what is left of the whole; negative if the part is larger."""
    return Resources(whole.cpus - part.cpus, whole.memory_bytes - part.memory_bytes, whole.gpus - part.gpus)


def holds(whole: Resources, part: Resources) -> bool:
    """Return whether the part fits into the whole."""
    return part.cpus <= whole.cpus + ROUNDING and part.memory_bytes <= whole.memory_bytes and part.gpus <= whole.gpus


def dominant(part: Resources, whole: Resources) -> float:
    """Return the largest share, of processors, memory or GPUs (dominant resource fairness, Ghodsi et al. 2011)."""
    pairs = ((part.cpus, whole.cpus), (part.memory_bytes, whole.memory_bytes), (part.gpus, whole.gpus))
    return max((used / total for used, total in pairs if total), default=0.0)


def largest_fitting(like: Instance, count: int, capacity: Resources) -> Instance | None:
    """Return the largest type of which `count` fit into the capacity, of the same family if it has one that fits."""
    fitting = [
        one
        for one in instances.INSTANCES.values()
        if one.vcpus and not one.accelerator and holds(capacity, times(of_instance(one), count))
    ]
    family = like.name.rpartition(".")[0]
    related = [one for one in fitting if one.name.rpartition(".")[0] == family]
    return max(related or fitting, key=lambda one: (one.vcpus, one.memory_gib, one.name), default=None)


def _message(instance: Instance, count: int, each: Resources, capacity: Resources) -> str:
    has, gets = [f"{instance.vcpus} vCPU"], [f"{each.cpus:.3g}"]
    if instance.gpus:
        has.append(f"{instance.gpus} GPU")
        gets.append(str(each.gpus))
    fitting = None if instance.gpus else largest_fitting(instance, count, capacity)
    hint = f" {fitting.name} fits." if fitting else ""
    whose = "this machine gives" if count == 1 else f"this machine gives each of {count}"
    return (
        f"{instance.name} has {', '.join(has)} and {instance.memory_gib:.3g} GiB; "
        f"{whose} {', '.join(gets)} and {each.memory_bytes / GIB:.3g}.{hint}"
    )
