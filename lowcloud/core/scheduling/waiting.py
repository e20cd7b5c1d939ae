"""Why a job waits: what it lacks, which jobs use it, and how many are ahead of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from lowcloud.core.context import Context
from lowcloud.core.scheduling import admission
from lowcloud.core.scheduling import capacity as capacities
from lowcloud.core.scheduling.capacity import GIB
from lowcloud.core.scheduling.queue import Holding
from lowcloud.engine.work import Resources

NAMES_SHOWN = 3


@dataclass(frozen=True)
class Wait:
    """Why a job waits."""

    message: str
    cores: float = 0.0  # that it needs, if too few are free


@dataclass(frozen=True)
class Usage:
    """The capacity of jobs at one moment, and who uses it."""

    capacity: Resources
    holdings: Sequence[Holding]

    @property
    def free(self) -> Resources:
        return capacities.less(self.capacity, capacities.total(one.held for one in self.holdings))


def usage(context: Context, connection: Connection) -> Usage:
    """Return what jobs and warm pools use now."""
    return Usage(capacities.of_jobs(context, connection), admission.holdings(context, connection))


def reason(context: Context, connection: Connection, row: Row[Any], now_used: Usage) -> Wait | None:
    """Return why the job in a row waits for capacity; None for a job that does not."""
    ahead = admission.jobs_ahead(context, connection, row)
    if ahead is None:
        return None
    each = Resources(row.cpus, row.memory_bytes, row.gpus)
    need = capacities.times(capacities.fit_down(each, row.replicas, now_used.capacity), row.replicas)
    cores = need.cpus if _lacks_cores(need, now_used) else 0.0
    return Wait(describe(need, now_used, ahead), cores)


def describe(need: Resources, now_used: Usage, ahead: int) -> str:
    """Return the sentence about a job that needs these resources and has this many jobs ahead of it."""
    queue = f"{ahead} job{' is' if ahead == 1 else 's are'} ahead" if ahead else ""
    lack = _lack(need, now_used)
    if not lack:
        return f"Waiting for its turn: {queue}" if queue else "Waiting for capacity"
    return f"Waiting for {lack}" + (f"; {queue}" if queue else "")


def _lack(need: Resources, now_used: Usage) -> str:
    """Return the first resource of which too little is free, and who uses it; "" if enough of all is free."""
    free, holdings = now_used.free, now_used.holdings
    if _lacks_cores(need, now_used):
        them = "it" if need.cpus == 1 else "them"
        left = f"{free.cpus:.3g}" if free.cpus > capacities.ROUNDING else ""
        return _count(need.cpus, "core") + _users([one for one in holdings if one.held.cpus > 0], left, them)
    if need.memory_bytes > free.memory_bytes:
        left = f"{free.memory_bytes / GIB:.3g} GiB" if free.memory_bytes > GIB / 20 else ""
        what = f"{need.memory_bytes / GIB:.3g} GiB of memory"
        return what + _users([one for one in holdings if one.held.memory_bytes > 0], left, "it")
    if need.gpus > free.gpus:
        left = str(free.gpus) if free.gpus > 0 else ""
        return _count(need.gpus, "GPU") + _users(
            [one for one in holdings if one.held.gpus > 0], left, "it" if need.gpus == 1 else "them"
        )
    return ""


def _lacks_cores(need: Resources, now_used: Usage) -> bool:
    return need.cpus > now_used.free.cpus + capacities.ROUNDING


def _count(number: float, noun: str) -> str:
    return f"{number:.3g} {noun}{'' if number == 1 else 's'}"


def _users(holdings: Sequence[Holding], left: str, them: str) -> str:
    """Return ": xgb-3 uses them" for those who hold the resource; endpoints hold memory without being listed."""
    is_free = f" ({left} free)" if left else ""
    if not holdings:
        return f"{is_free}: endpoints use the rest"
    names = [one.ref[1] if one.until is None else f"the warm pool of {one.ref[1]}" for one in holdings]
    hidden = len(names) - NAMES_SHOWN
    shown = [*names[:NAMES_SHOWN], *([f"{hidden} more"] if hidden > 0 else [])]
    listed = " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))
    return f"{is_free}: {listed} {'uses' if len(names) == 1 else 'use'} {'the rest' if left else them}"
