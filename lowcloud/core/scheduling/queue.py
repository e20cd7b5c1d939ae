"""The queue: which waiting jobs start now. Pure; `admission` applies it to rows.

Jobs of higher priority are first. Among equals, the first is the owner with the smallest dominant share of the machine,
then the one whose last job was admitted longest ago; among the jobs of an owner, the oldest. A job starts with all of
its replicas or not at all.

The first job in this order that does not fit is the blocked head. Others may overtake it until it has been blocked for
BACKFILL_SECONDS, and after that only if they fit next to it: jobs started since it was blocked, the head and they must
fit into the machine together. So the head starts, at the latest, when the jobs have ended that ran at that time. Warm
pools yield to jobs of their owner, to higher priorities, and to a head that has been blocked for BACKFILL_SECONDS.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lowcloud.core.scheduling import capacity as capacities
from lowcloud.engine.work import Resources

BACKFILL_SECONDS = 60.0

Ref = tuple[str, str]  # table, name


@dataclass(frozen=True)
class Waiting:
    """A job that waits, and what each of its replicas requests."""

    ref: Ref
    created_at: float
    each: Resources
    replicas: int = 1
    owner: str = ""
    priority: int = 0
    blocked_at: float | None = None  # since when it is the first that does not fit
    pool_key: str = ""  # of the warm pools that it can take over; "": none


@dataclass(frozen=True)
class Holding:
    """Capacity that is in use by a running job, or retained in a warm pool after a job has ended."""

    ref: Ref
    held: Resources  # of all its replicas
    owner: str = ""
    priority: int = 0
    admitted_at: float = 0.0
    is_spot: bool = False  # may be interrupted
    is_interrupted: bool = False
    pool_key: str = ""
    until: float | None = None  # when a pool ends; None: this is a job


@dataclass(frozen=True)
class Start:
    """A job to start, what each of its replicas gets, and the pool that it takes over."""

    ref: Ref
    each: Resources
    pool: Ref | None = None


@dataclass(frozen=True)
class Decision:
    """The changes to make now, and when to decide again even if nothing has happened until then."""

    starts: tuple[Start, ...] = ()
    blocked: Ref | None = None
    yielded: tuple[Ref, ...] = ()  # pools that are ended
    again_at: float | None = None


def admit(
    waiting: Iterable[Waiting],
    running: Iterable[Holding],
    capacity: Resources,
    *,
    now: float,
    pools: Iterable[Holding] = (),
    served: Mapping[str, float] | None = None,  # when an owner's last job was admitted
) -> Decision:
    """Return the jobs to start now. A job larger than the machine is fitted to it rather than waiting forever."""
    allocator = _Allocator(list(running), list(pools), capacity, now, dict(served or {}))
    queues = _queues(waiting)
    while queues and allocator.can_start_more():
        owner = min(queues, key=lambda name: allocator.rank(queues[name][0]))
        allocator.consider(queues[owner].popleft())
        if not queues[owner]:
            del queues[owner]
    return allocator.decision()


def victims(job: Waiting, running: Sequence[Holding], capacity: Resources) -> tuple[Ref, ...]:
    """Return the spot jobs of lower priority to interrupt so that this one fits; none if that would not be enough.

    The lowest priority is first, and of equals the youngest, which loses the least.
    """
    need = _need(job, capacity)
    free = capacities.less(capacity, capacities.total(one.held for one in running if not one.is_interrupted))
    chosen: list[Holding] = []
    candidates = (one for one in running if one.is_spot and not one.is_interrupted and one.priority < job.priority)
    for one in sorted(candidates, key=lambda one: (one.priority, -one.admitted_at, one.ref)):
        if capacities.holds(free, need):
            break
        chosen.append(one)
        free = capacities.total((free, one.held))
    if not capacities.holds(free, need):
        return ()
    for one in tuple(chosen):  # a small one may have been chosen before a large one that is enough
        if capacities.holds(without := capacities.less(free, one.held), need):
            chosen.remove(one)
            free = without
    return tuple(one.ref for one in chosen)


class _Allocator:
    """Considers one job after the other, and keeps account of what is free."""

    def __init__(
        self, running: list[Holding], pools: list[Holding], capacity: Resources, now: float, served: dict[str, float]
    ):
        self._running = running
        self._pools = sorted(pools, key=lambda pool: (pool.until or 0.0, pool.ref))
        self._capacity = capacity
        self._now = now
        self._served = served
        self._held: dict[str, Resources] = {}  # by owner
        for one in (*running, *pools):
            self._add(one.owner, one.held)
        self._free = capacities.less(capacity, capacities.total(one.held for one in (*running, *pools)))
        self._head: Waiting | None = None
        self._starts: list[Start] = []
        self._yielded: list[Ref] = []

    def can_start_more(self) -> bool:
        """Return whether a job may still start, or the blocked head is not known yet."""
        return self._head is None or self._free.cpus > capacities.ROUNDING or bool(self._pools)

    def rank(self, job: Waiting) -> tuple[int, float, float, float, Ref]:
        """Return the rank of a job: the one with the smallest is considered next."""
        share = capacities.dominant(self._held.get(job.owner, capacities.NOTHING), self._capacity)
        return -job.priority, round(share, 6), self._served.get(job.owner, 0.0), job.created_at, job.ref

    def consider(self, job: Waiting) -> None:
        """Start the job if it fits."""
        need = _need(job, self._capacity)
        if not self._may_overtake(need):
            return
        if pool := self._pool_for(job, need):
            self._close(pool)
            self._start(job, need, pool.ref)
            return
        yielding = self._yielding(job, need)
        if yielding is not None:
            for pool in yielding:
                self._close(pool)
                self._yielded.append(pool.ref)
            self._start(job, need, None)
        elif self._head is None:
            self._head = job

    def decision(self) -> Decision:
        """Return the decision after all jobs were considered."""
        moments = [pool.until for pool in self._pools if pool.until is not None]
        if self._head is None:
            return Decision(tuple(self._starts), None, tuple(self._yielded))
        if self._pools:
            moments.append((self._now if self._head.blocked_at is None else self._head.blocked_at) + BACKFILL_SECONDS)
        again_at = min((moment for moment in moments if moment > self._now), default=None)
        return Decision(tuple(self._starts), self._head.ref, tuple(self._yielded), again_at)

    def _may_overtake(self, need: Resources) -> bool:
        if self._head is None or not _is_overdue(self._head, self._now):
            return True
        since = self._head.blocked_at or 0.0
        others = [one.held for one in self._running if one.admitted_at >= since]
        return capacities.holds(self._capacity, capacities.total((*others, need, _need(self._head, self._capacity))))

    def _pool_for(self, job: Waiting, need: Resources) -> Holding | None:
        fitting = (pool for pool in self._pools if pool.pool_key == job.pool_key and capacities.holds(pool.held, need))
        return next(fitting, None) if job.pool_key else None

    def _yielding(self, job: Waiting, need: Resources) -> list[Holding] | None:
        """Return the pools that must yield so that the job fits; None if it does not fit even so."""
        free, yielding = self._free, []
        for pool in self._pools:
            if capacities.holds(free, need):
                break
            if pool.owner == job.owner or pool.priority < job.priority or _is_overdue(job, self._now):
                yielding.append(pool)
                free = capacities.total((free, pool.held))
        return yielding if capacities.holds(free, need) else None

    def _close(self, pool: Holding) -> None:
        self._pools.remove(pool)
        self._free = capacities.total((self._free, pool.held))
        self._held[pool.owner] = capacities.less(self._held[pool.owner], pool.held)

    def _start(self, job: Waiting, need: Resources, pool: Ref | None) -> None:
        self._free = capacities.less(self._free, need)
        self._running.append(Holding(job.ref, need, job.owner, job.priority, self._now))
        self._add(job.owner, need)
        self._served[job.owner] = self._now
        self._starts.append(Start(job.ref, capacities.fit_down(job.each, job.replicas, self._capacity), pool))

    def _add(self, owner: str, held: Resources) -> None:
        self._held[owner] = capacities.total((self._held.get(owner, capacities.NOTHING), held))


def _queues(waiting: Iterable[Waiting]) -> dict[str, deque[Waiting]]:
    """Return the jobs of each owner, in the order in which they are considered."""
    queues: dict[str, deque[Waiting]] = {}
    for job in sorted(waiting, key=lambda job: (-job.priority, job.created_at, job.ref)):
        queues.setdefault(job.owner, deque()).append(job)
    return queues


def _need(job: Waiting, capacity: Resources) -> Resources:
    return capacities.times(capacities.fit_down(job.each, job.replicas, capacity), job.replicas)


def _is_overdue(job: Waiting, now: float) -> bool:
    return job.blocked_at is not None and now - job.blocked_at >= BACKFILL_SECONDS
