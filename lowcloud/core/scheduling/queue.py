"""The queue: which waiting jobs start now. Pure; `admission` applies it to rows.

Jobs of higher priority go first. Among equals the owner goes first who holds the smallest dominant share of the
machine, then the one who was served the longest ago; within an owner, who came first. A job starts whole or not at all.

The first job in this order that finds no room is the blocked head. Others may overtake it while it has been blocked for
less than PATIENCE_SECONDS, and later only such as fit beside it: what has started since it was blocked, the head and
they need to have room together. So it starts, at the latest, when the jobs have ended that ran before its patience was
over. What is kept for later (`pools`) yields to its owner's jobs, to higher priorities, and to a head out of patience.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lowcloud.core.scheduling import capacity as capacities
from lowcloud.engine.work import Resources

PATIENCE_SECONDS = 60.0

Ref = tuple[str, str]  # table, name


@dataclass(frozen=True)
class Waiting:
    """A job that waits, and what each of its replicas asks for."""

    ref: Ref
    created_at: float
    each: Resources
    replicas: int = 1
    owner: str = ""
    priority: int = 0
    blocked_at: float | None = None  # since when it is the first that finds no room
    pool_key: str = ""  # what a pool must have been kept for; "": this job takes none over


@dataclass(frozen=True)
class Holding:
    """What is taken: by a job that runs, or by a pool, which is kept where a job has ended."""

    ref: Ref
    held: Resources  # of all its replicas
    owner: str = ""
    priority: int = 0
    admitted_at: float = 0.0
    is_spot: bool = False  # may be interrupted
    is_leaving: bool = False  # has been
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
    """What is to change now, and when to decide again although nothing has happened until then."""

    starts: tuple[Start, ...] = ()
    blocked: Ref | None = None
    yielded: tuple[Ref, ...] = ()  # pools that are given up
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
    """The jobs to start now. What is more than the machine is fitted down to it rather than left waiting for ever."""
    desk = _Desk(list(running), list(pools), capacity, now, dict(served or {}))
    lines = _lines(waiting)
    while lines and desk.is_open():
        owner = min(lines, key=lambda name: desk.rank(lines[name][0]))
        desk.serve(lines[owner].popleft())
        if not lines[owner]:
            del lines[owner]
    return desk.decision()


def victims(job: Waiting, running: Sequence[Holding], capacity: Resources) -> tuple[Ref, ...]:
    """The spot jobs of lower priority to interrupt so that this one has room; none where that would not do.

    The lowest priority goes first, and of equals the youngest, which loses the least.
    """
    need = _need(job, capacity)
    free = capacities.less(capacity, capacities.total(one.held for one in running if not one.is_leaving))
    chosen: list[Holding] = []
    willing = (one for one in running if one.is_spot and not one.is_leaving and one.priority < job.priority)
    for one in sorted(willing, key=lambda one: (one.priority, -one.admitted_at, one.ref)):
        if capacities.holds(free, need):
            break
        chosen.append(one)
        free = capacities.total((free, one.held))
    if not capacities.holds(free, need):
        return ()
    for one in tuple(chosen):  # a small one may have been chosen before the large one that suffices
        if capacities.holds(without := capacities.less(free, one.held), need):
            chosen.remove(one)
            free = without
    return tuple(one.ref for one in chosen)


class _Desk:
    """Serves one job after the other, and knows what is still free."""

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

    def is_open(self) -> bool:
        """Whether somebody may still start, or the first who finds no room is not known."""
        return self._head is None or self._free.cpus > capacities.ROUNDING or bool(self._pools)

    def rank(self, job: Waiting) -> tuple[int, float, float, float, Ref]:
        """Who has the smallest is served next."""
        share = capacities.dominant(self._held.get(job.owner, capacities.NOTHING), self._capacity)
        return -job.priority, round(share, 6), self._served.get(job.owner, 0.0), job.created_at, job.ref

    def serve(self, job: Waiting) -> None:
        """Start the job, or leave it waiting."""
        need = _need(job, self._capacity)
        if not self._may_go(need):
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
        """What came of it."""
        moments = [pool.until for pool in self._pools if pool.until is not None]
        if self._head is None:
            return Decision(tuple(self._starts), None, tuple(self._yielded))
        if self._pools:
            moments.append((self._now if self._head.blocked_at is None else self._head.blocked_at) + PATIENCE_SECONDS)
        again_at = min((moment for moment in moments if moment > self._now), default=None)
        return Decision(tuple(self._starts), self._head.ref, tuple(self._yielded), again_at)

    def _may_go(self, need: Resources) -> bool:
        if self._head is None or not _is_out_of_patience(self._head, self._now):
            return True
        since = self._head.blocked_at or 0.0
        others = [one.held for one in self._running if one.admitted_at >= since]
        return capacities.holds(self._capacity, capacities.total((*others, need, _need(self._head, self._capacity))))

    def _pool_for(self, job: Waiting, need: Resources) -> Holding | None:
        fitting = (pool for pool in self._pools if pool.pool_key == job.pool_key and capacities.holds(pool.held, need))
        return next(fitting, None) if job.pool_key else None

    def _yielding(self, job: Waiting, need: Resources) -> list[Holding] | None:
        """The pools that must yield so that the job has room; None where it has none even so."""
        free, yielding = self._free, []
        for pool in self._pools:
            if capacities.holds(free, need):
                break
            if pool.owner == job.owner or pool.priority < job.priority or _is_out_of_patience(job, self._now):
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


def _lines(waiting: Iterable[Waiting]) -> dict[str, deque[Waiting]]:
    """Each owner's jobs, the first to be served first."""
    lines: dict[str, deque[Waiting]] = {}
    for job in sorted(waiting, key=lambda job: (-job.priority, job.created_at, job.ref)):
        lines.setdefault(job.owner, deque()).append(job)
    return lines


def _need(job: Waiting, capacity: Resources) -> Resources:
    return capacities.times(capacities.fit_down(job.each, job.replicas, capacity), job.replicas)


def _is_out_of_patience(job: Waiting, now: float) -> bool:
    return job.blocked_at is not None and now - job.blocked_at >= PATIENCE_SECONDS
