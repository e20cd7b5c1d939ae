"""The queue, simulated: nothing is oversubscribed, every owner gets a turn, and priorities are respected."""

from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from lowcloud.core.scheduling import capacity
from lowcloud.core.scheduling.queue import BACKFILL_SECONDS, Decision, Holding, Ref, Waiting, admit, victims
from lowcloud.engine.work import Resources

GIB = 1 << 30
MACHINE = Resources(4.0, 16 * GIB, 1)


def need(cpus: float = 1.0, gib: float = 1.0, gpus: int = 0) -> Resources:
    return Resources(cpus, int(gib * GIB), gpus)


def waiting(name: str, cpus: float = 1.0, created_at: float = 0.0, **rest) -> Waiting:
    return Waiting(("jobs", name), created_at, rest.pop("each", need(cpus)), **rest)


def running(name: str, cpus: float = 1.0, **rest) -> Holding:
    return Holding(("jobs", name), need(cpus), **rest)


def names(decision: Decision) -> list[str]:
    return [start.ref[1] for start in decision.starts]


def test_jobs_start_in_the_order_they_came_until_the_machine_is_full():
    jobs = [waiting(f"job-{number}", 2.0, float(number)) for number in range(3)]
    assert names(admit(reversed(jobs), [], MACHINE, now=10.0)) == ["job-0", "job-1"]


def test_a_higher_priority_goes_first():
    jobs = [waiting("early", 4.0, 0.0), waiting("urgent", 4.0, 1.0, priority=5)]
    assert names(admit(jobs, [], MACHINE, now=2.0)) == ["urgent"]


def test_the_owner_with_less_capacity_is_first():
    jobs = [waiting("of-a", 1.0, 0.0, owner="a"), waiting("of-b", 1.0, 1.0, owner="b")]
    held = [running("other", 3.0, owner="a")]
    assert names(admit(jobs, held, MACHINE, now=2.0)) == ["of-b"]


def test_owners_take_turns_where_only_one_job_fits_at_a_time():
    jobs = [waiting(f"a-{number}", 4.0, float(number), owner="a") for number in range(3)]
    jobs += [waiting(f"b-{number}", 4.0, 10.0 + number, owner="b") for number in range(3)]
    served: dict[str, float] = {}
    order = []
    for now in range(6):
        decision = admit(jobs, [], MACHINE, now=20.0 + now, served=served)
        (name,) = names(decision)
        order.append(name)
        served[name[0]] = 20.0 + now
        jobs = [job for job in jobs if job.ref[1] != name]
    assert order == ["a-0", "b-0", "a-1", "b-1", "a-2", "b-2"]


def test_all_replicas_start_or_none():
    cluster = waiting("cluster", 1.0, replicas=3)
    assert names(admit([cluster], [running("other", 2.0)], MACHINE, now=1.0)) == []
    assert names(admit([cluster], [running("other", 1.0)], MACHINE, now=1.0)) == ["cluster"]


def test_a_type_larger_than_the_machine_is_fitted_down_to_it():
    huge = waiting("huge", each=need(64.0, 488.0, 8), replicas=2)
    (start,) = admit([huge], [], MACHINE, now=1.0).starts
    assert start.each == Resources(2.0, 8 * GIB, 0)  # one GPU cannot be halved
    (alone,) = admit([replace(huge, replicas=1)], [], MACHINE, now=1.0).starts
    assert alone.each == MACHINE


def test_a_small_job_overtakes_a_blocked_one_until_the_backfill_period_is_over():
    large, small = waiting("large", 4.0), waiting("small", 1.0, 1.0)
    held = [running("other", 2.0)]
    decision = admit([large, small], held, MACHINE, now=2.0)
    assert (names(decision), decision.blocked) == (["small"], large.ref)
    impatient = replace(large, blocked_at=2.0)
    assert names(admit([impatient, small], held, MACHINE, now=3.0)) == ["small"]
    assert names(admit([impatient, small], held, MACHINE, now=2.0 + BACKFILL_SECONDS)) == []


def test_a_job_that_fits_beside_the_blocked_one_may_always_overtake_it():
    large = waiting("large", 3.0, blocked_at=2.0)
    small, other = waiting("small", 1.0, 1.0), waiting("other", 1.0, 2.0)
    held = [running("old", 2.0, admitted_at=1.0)]
    assert names(admit([large, small, other], held, MACHINE, now=1000.0)) == ["small"]


def test_the_same_question_has_the_same_answer_in_any_order():
    jobs = [waiting(f"job-{number}", 1.0 + number % 3, 0.0, owner="ab"[number % 2]) for number in range(8)]
    assert admit(jobs, [], MACHINE, now=1.0) == admit(jobs[::-1], [], MACHINE, now=1.0)


def test_victims_are_the_fewest_and_youngest_spot_jobs_of_lower_priority():
    held = [
        running("old", 1.0, admitted_at=1.0, is_spot=True),
        running("young", 1.0, admitted_at=2.0, is_spot=True),
        running("firm", 1.0, admitted_at=3.0),
        running("equal", 1.0, admitted_at=4.0, is_spot=True, priority=5),
    ]
    assert victims(waiting("urgent", 1.0, priority=5), held, MACHINE) == (("jobs", "young"),)
    assert victims(waiting("urgent", 2.0, priority=5), held, MACHINE) == (("jobs", "young"), ("jobs", "old"))
    assert victims(waiting("urgent", 3.0, priority=5), held, MACHINE) == ()
    assert victims(waiting("usual", 1.0), held, MACHINE) == ()


def test_a_small_victim_is_spared_where_a_large_one_suffices():
    held = [running("small", 1.0, admitted_at=2.0, is_spot=True), running("large", 3.0, is_spot=True)]
    assert victims(waiting("urgent", 3.0, priority=1), held, MACHINE) == (("jobs", "large"),)


# A pool is what a job has left behind for the next of its kind.


def pool(cpus: float = 4.0, **rest) -> Holding:
    return running("left", cpus, **{"owner": "a", "pool_key": "key", "until": 1000.0, **rest})


def test_a_matching_job_takes_over_the_pool_retained_for_it():
    matching = waiting("next", 4.0, 5.0, owner="a", pool_key="key")
    (start,) = admit([waiting("other", 1.0, owner="b"), matching], [], MACHINE, now=6.0, pools=[pool()]).starts
    assert (start.ref, start.pool) == (matching.ref, ("jobs", "left"))


def test_a_pool_keeps_others_out_but_not_its_owner_nor_higher_priorities():
    def ask(**rest) -> Decision:
        return admit([waiting("job", 1.0, **rest)], [], MACHINE, now=6.0, pools=[pool()])

    shut_out = ask(owner="b")
    assert (names(shut_out), shut_out.yielded, shut_out.again_at) == ([], (), 6.0 + BACKFILL_SECONDS)
    for allowed in (ask(owner="a"), ask(owner="b", priority=1), ask(owner="b", blocked_at=6.0 - BACKFILL_SECONDS)):
        assert (names(allowed), allowed.yielded) == (["job"], (("jobs", "left"),))


def test_a_chain_of_pools_does_not_starve_others():
    other = waiting("other", 4.0, owner="b", blocked_at=0.0)
    matching = waiting("next", 4.0, owner="a", pool_key="key")
    assert names(admit([other, matching], [], MACHINE, now=BACKFILL_SECONDS, pools=[pool()])) == ["other"]


# Whole histories


@dataclass
class Simulation:
    """Jobs that wait and run on a machine, and what was decided about them."""

    waiting: dict[Ref, Waiting]
    running: dict[Ref, Holding] = field(default_factory=dict)
    served: dict[str, float] = field(default_factory=dict)
    admitted: list[Ref] = field(default_factory=list)
    now: float = 0.0

    def admit(self) -> None:
        held = list(self.running.values())
        decision = admit(self.waiting.values(), held, MACHINE, now=self.now, served=self.served)
        free = capacity.less(MACHINE, capacity.total(one.held for one in held))
        for start in decision.starts:
            job = self.waiting.pop(start.ref)
            taken = capacity.times(start.each, job.replicas)
            assert capacity.holds(free, taken)
            free = capacity.less(free, taken)
            self.running[start.ref] = Holding(start.ref, taken, job.owner, job.priority, self.now)
            self.served[job.owner] = self.now
            self.admitted.append(start.ref)
        self._check_priorities(free)
        if decision.blocked and self.waiting[decision.blocked].blocked_at is None:
            job = self.waiting[decision.blocked]
            self.waiting[decision.blocked] = replace(job, blocked_at=self.now)

    def _check_priorities(self, free: Resources) -> None:
        """No job of the highest waiting priority waits if it could start, except during another's backfill period."""
        if not self.waiting:
            return
        highest = max(job.priority for job in self.waiting.values())
        left = [job for job in self.waiting.values() if job.priority == highest]
        fitting = [job for job in left if capacity.holds(free, _whole(job))]
        assert not fitting or len(fitting) < len(left)

    def end(self, position: int) -> None:
        if self.running:
            del self.running[sorted(self.running)[position % len(self.running)]]


def _whole(job: Waiting) -> Resources:
    return capacity.times(capacity.fit_down(job.each, job.replicas, MACHINE), job.replicas)


JOBS = st.lists(
    st.builds(
        lambda cpus, gib, gpus, replicas, owner, priority: (
            Resources(cpus, gib * GIB, gpus),
            replicas,
            owner,
            priority,
        ),
        st.sampled_from([0.5, 1.0, 2.0, 4.0, 16.0]),
        st.integers(1, 32),
        st.integers(0, 2),
        st.integers(1, 3),
        st.sampled_from("abc"),
        st.integers(-1, 1),
    ),
    min_size=1,
    max_size=12,
)


def simulation(requested) -> Simulation:
    jobs = [
        Waiting(("jobs", f"job-{number:02}"), float(number % 5), each, replicas, owner, priority)
        for number, (each, replicas, owner, priority) in enumerate(requested)
    ]
    return Simulation({job.ref: job for job in jobs})


@given(JOBS, st.lists(st.tuples(st.integers(0, 9), st.sampled_from([1.0, 30.0, 100.0])), max_size=20))
@settings(max_examples=150)
def test_every_job_is_admitted_once_in_the_end_and_the_machine_never_oversubscribed(requested, endings):
    story = simulation(requested)
    everything = set(story.waiting)
    for position, seconds in [*endings, *[(0, 1.0)] * (len(requested) + 1)]:
        story.admit()
        story.end(position)
        story.now += seconds
    assert sorted(story.admitted) == sorted(everything)


@given(JOBS)
@settings(max_examples=50)
def test_a_machine_of_one_job_at_a_time_serves_strictly_by_priority(requested):
    alone = [(MACHINE, 1, owner, priority) for _, _, owner, priority in requested]
    story = simulation(alone)
    priorities = {ref: job.priority for ref, job in story.waiting.items()}
    for _ in requested:
        story.admit()
        story.end(0)
        story.now += 1.0
    order = [priorities[ref] for ref in story.admitted]
    assert order == sorted(order, reverse=True)


@given(JOBS)
@settings(max_examples=20)
def test_a_stream_of_small_jobs_does_not_starve_a_large_one(requested):
    story = simulation(requested)
    large = Waiting(("jobs", "large"), -1.0, MACHINE, 1, "large", 1)
    story.running[("jobs", "old")] = Holding(("jobs", "old"), need(1.0), "old")
    story.waiting[large.ref] = large
    for number in range(60):  # a stream of small jobs that never ends
        small = Waiting(("jobs", f"small-{number:03}"), float(number), need(1.0), 1, "s", 1)
        story.waiting[small.ref] = small
        story.admit()
        story.now += 5.0
        if number > 0:
            oldest = min(story.running.values(), key=lambda one: (one.admitted_at, one.ref))
            story.end(sorted(story.running).index(oldest.ref))
    assert large.ref in story.admitted
