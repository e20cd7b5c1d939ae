"""Builds of Python environments: the work that builds one, and its lifecycle, which waiting jobs and endpoints advance.

Several jobs and endpoints may wait for one environment: its build is one work, found by the environment's key, and
each of them takes turns of it. What it prints goes to the log of each.
"""

import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from lowcloud import contract
from lowcloud.core.context import Context
from lowcloud.core.control.turns import take_turn
from lowcloud.core.environments import environments, package_index
from lowcloud.core.environments.environments import EnvironmentSpec
from lowcloud.core.scheduling import capacity
from lowcloud.engine.work import (
    Input,
    Phase,
    Replica,
    ReplicaStatus,
    StagingError,
    Work,
    reported_failure,
    status_of,
)

BUILD_COMMAND = ("python", "-m", "lowcloud.runtime.environments.build")
TIMEOUT_SECONDS = 3600.0  # a setup.py may hang
DISK_BYTES = 50 << 30  # of one environment, with what its builder needs to make it
FAILURE_BYTES = 4096  # read of the failure file of a builder
TIMED_OUT = f"The Python environment was not built within {TIMEOUT_SECONDS / 60:.0f} minutes; see the log."
CHANGED = (
    "The source archive, or the packages that Lowcloud runs with, changed before the Python environment was built. "
    "Create it again."
)
UNKNOWN_FAILURE = "The Python environment could not be built; see the log."
ABSENT = ReplicaStatus(Phase.ABSENT)


class BuilderLostError(StagingError):
    """The builder was ended by the machine (a restart or kill), not by an error of its own."""


@dataclass(frozen=True)
class Build:
    """The build of the environment with a key (`name`). It ends when the environment is ready or the build failed."""

    name: str
    is_ready: bool = False
    failure: StagingError | None = None


class BuildAction(StrEnum):
    """An action that a step returns; each is safe to repeat."""

    START = "start"
    PUBLISH = "publish"  # move what was built to where environments are found
    REMOVE = "remove"


@dataclass(frozen=True)
class BuildObservation:
    """The facts a step decides on."""

    is_ready: bool
    status: ReplicaStatus = ABSENT
    failure: StagingError | None = None  # why the builder has failed, or could not be started


def step(build: Build, seen: BuildObservation, now: float) -> tuple[Build, BuildAction | None]:
    """Return the next state of a build and the action to perform in it. Pure."""
    if build.failure:
        return build, None
    if seen.is_ready:
        return replace(build, is_ready=True), None
    status = seen.status
    if seen.failure:  # one that could not be started is kept: another job may be starting it
        return replace(build, failure=seen.failure), BuildAction.REMOVE if status.phase.is_end else None
    if status.phase in (Phase.ABSENT, Phase.STAGING):
        return build, BuildAction.START
    if not status.phase.is_end:
        if now - (status.started_at or now) <= TIMEOUT_SECONDS:
            return build, None
        return replace(build, failure=StagingError(TIMED_OUT)), BuildAction.REMOVE
    # Ended without a failure of its own: built, or interrupted when a server that was killed had begun to remove it.
    return build, BuildAction.PUBLISH if status.exit_code == 0 else BuildAction.REMOVE


class BuildLifecycle:
    """The lifecycle of a build; see control/turns.py. A build has no row: its state is that of its work."""

    def __init__(self, context: Context, plan: Callable[[], Work], collect: Callable[[str, str], None]):
        self._context = context
        self._plan = plan
        self._collect = collect

    step = staticmethod(step)

    def observe(self, build: Build) -> BuildObservation:
        """Collect the output of the builder and return its state."""
        if is_ready(self._context, build.name):
            return BuildObservation(is_ready=True)
        work_id = builder_id(build.name)
        status = status_of(self._context.engine, work_id)
        if status.phase in (Phase.ABSENT, Phase.STAGING):
            return BuildObservation(is_ready=False, status=status)
        self._collect(work_id, f"{work_id}@{status.started_at}")
        failed = status.phase.is_end and status.exit_code != 0
        return BuildObservation(False, status, _failure(self._context, work_id, status) if failed else None)

    def save(self, before: Build, after: Build) -> None:
        """Do nothing: a build has no row."""

    def perform(self, build: Build, action: BuildAction) -> BuildObservation:
        """Perform an action."""
        work_id = builder_id(build.name)
        match action:
            case BuildAction.START:
                return self._start(build)
            case BuildAction.PUBLISH:
                self._context.engine.publish_environment(work_id)
        self._context.engine.remove(work_id)
        return BuildObservation(is_ready(self._context, build.name))

    def refresh(self, build: Build) -> Build:
        """Return the build: there are no requests to a build."""
        return build

    def _start(self, build: Build) -> BuildObservation:
        try:
            work = self._plan()
            if work.builds != build.name:  # it would never become ready under the name that the caller waits for
                raise StagingError(CHANGED)
            self._context.engine.start(work)
        except StagingError as error:
            if not is_ready(self._context, build.name):  # otherwise another job's builder was quicker, and is gone
                return BuildObservation(is_ready=False, failure=error)
        return BuildObservation(is_ready(self._context, build.name), ReplicaStatus(Phase.RUNNING))


def build(context: Context, name: str, plan: Callable[[], Work], collect: Callable[[str, str], None]) -> bool:
    """Take one turn of building the environment with a key; return whether it is ready.

    `plan` makes the work of its builder, and `collect` moves what that prints, given its id and a name of this very
    run of it, to the log of the caller. Raises StagingError if it cannot be built.
    """
    taken, _ = take_turn(BuildLifecycle(context, plan, collect), Build(name), context.now)
    if taken.failure:
        raise taken.failure
    return taken.is_ready


def is_ready(context: Context, name: str) -> bool:
    """Return whether an environment (see Work.environment) exists: none is needed, a user's folder, or a built one."""
    return not name or name.startswith("/") or context.engine.has_environment(name)


def release(context: Context, name: str) -> None:
    """Remove a builder if no record relies on its environment any more.

    A builder that has finished is removed as well: a server that was killed may have left it.
    """
    if name and not name.startswith("/") and name not in environments.in_use(context):
        context.engine.remove(builder_id(name))


def builder(context: Context, environment: EnvironmentSpec, code: Input | None = None) -> Work:
    """Return the work that builds an environment; `code` is the source archive, if the environment needs it."""
    assert code is not None or not environment.needs_code, "an environment that needs the code is built with it"
    name = environments.key(environment)
    files = {contract.REQUIREMENTS: "\n".join(environment.requirements) + "\n"}
    if environment.constraints:
        files[contract.CONSTRAINTS] = "\n".join(environment.constraints) + "\n"
    replica = Replica(
        variables=package_index.index_settings(),
        files=files,
        archives=(code,) if code and environment.needs_code else (),
    )
    return Work(
        id=builder_id(name),
        command=BUILD_COMMAND,
        replicas=(replica,),
        resources=capacity.of_machine(context),
        network=True,
        builds=name,
        disk_bytes=DISK_BYTES,
    )


def builder_id(name: str) -> str:
    """Return the id of the work that builds the environment with a key."""
    return f"environment/{name}"


def _failure(context: Context, work_id: str, status: ReplicaStatus) -> StagingError | None:
    """Return why a builder failed; None if it was being removed when a server was killed."""
    if status.phase == Phase.LOST:
        return BuilderLostError("The host was lost while the Python environment was built.")
    if status.reason == contract.DISK_FULL:
        return StagingError(f"The Python environment needs more than {DISK_BYTES >> 30} GB. Ask for fewer packages.")
    if message := reported_failure(context.engine, work_id, 0, FAILURE_BYTES).removeprefix("ClientError: "):
        return StagingError(message)
    was_ended = status.exit_code in (-signal.SIGTERM, -signal.SIGKILL) and not status.reason
    return None if was_ended else StagingError(UNKNOWN_FAILURE)
