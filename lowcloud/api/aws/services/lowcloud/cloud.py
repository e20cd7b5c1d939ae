"""The operation that describes the cloud: its machine, the isolation of programs, its leader and last scrub."""

from lowcloud.api.aws.access.permissions import on_any
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.core.context import Context
from lowcloud.core.control import leader_election, periodic_tasks
from lowcloud.core.identity.callers import Caller
from lowcloud.core.scheduling import capacity as capacities

SCRUB_MEMBERS = {"versions": "Versions", "bytes": "Bytes", "findings": "Findings"}


@operation("lowcloud", "DescribeCloud", on_any())
def describe_cloud(context: Context, caller: Caller, request: Request) -> Answer:
    """The last scrub is missing until one has ended."""
    capacity, isolation = capacities.of_machine(context), context.engine.isolation_status()
    found = {"Level": isolation.level, "Description": isolation.sentence, "WaitsFor": isolation.waits_for}
    leader = leader_election.leader_of(context.settings.work)
    with context.database.read() as connection:
        scrub = periodic_tasks.progress_of(connection, "scrub").get("last")
    last = (
        {"EndTime": scrub["ended_at"], **{SCRUB_MEMBERS[name]: scrub[name] for name in SCRUB_MEMBERS}} if scrub else {}
    )
    return {
        "Cores": capacity.cpus,
        "MemoryBytes": capacity.memory_bytes,
        "Gpus": capacity.gpus,
        "Isolation": {name: text for name, text in found.items() if text},
        **({"Leader": leader} if leader else {}),
        **({"LastScrub": last} if last else {}),
    }
