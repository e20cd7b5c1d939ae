"""Training jobs: what was asked, what has become of it, and the requests that change it."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, select, update

from lowcloud import catalog
from lowcloud.core import buckets, channels, events, metrics, records
from lowcloud.core.channels import Channel, Mode
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import Invalid, NotFound
from lowcloud.core.metrics import Definition
from lowcloud.schemas import InvalidHyperparameters
from lowcloud.store.tables import training_jobs

KIND = "training job"


class State(StrEnum):
    """Where a training job stands; the last three are ends."""

    PENDING = "pending"
    STAGING = "staging"
    RUNNING = "running"
    STOPPING = "stopping"
    STORING = "storing"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"

    @property
    def is_end(self) -> bool:
        return self in (State.COMPLETED, State.FAILED, State.STOPPED)


@dataclass(frozen=True)
class Specification:
    """What was asked for; it never changes."""

    image: str
    role: str
    channels: tuple[Channel, ...]
    output_bucket: str
    output_prefix: str
    instance_type: str
    instance_count: int
    volume_gigabytes: int
    max_runtime_seconds: int
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    metric_definitions: tuple[Definition, ...] = ()
    is_network_isolated: bool = False  # built-in programs never have a network, whatever is asked here
    input_mode: Mode = Mode.FILE  # of the program, and of channels that ask for no other
    encryption_key: str = ""  # the key id the user named for the output


@dataclass(frozen=True)
class Progress:
    """What has become of it. Times are seconds since the epoch."""

    started_at: float | None = None  # from here the time limit and the bill run
    is_out_of_time: bool = False
    failure: str | None = None
    artifact: str | None = None  # "s3://bucket/key" once it lies there
    billable_seconds: int | None = None


@dataclass(frozen=True)
class TrainingJob:
    """A training job as it stands."""

    name: str
    state: State
    created_at: float
    modified_at: float
    ended_at: float | None
    stop_requested: bool
    specification: Specification
    progress: Progress

    @property
    def subject(self) -> str:
        return subject(self.name)


def subject(name: str) -> str:
    """What events and tags of a job are filed under."""
    return f"training-job/{name}"


def create(cloud: Cloud, name: str, specification: Specification, labels: Mapping[str, str] | None = None) -> None:
    """Ask for a job. Raises AlreadyExists, and Invalid for what can be seen to fail before it runs."""
    try:
        catalog.validate(catalog.find(specification.image), specification.hyperparameters)
    except (catalog.UnknownImage, InvalidHyperparameters) as error:
        raise Invalid(str(error)) from error
    channels.check(specification.channels)
    _check_output(cloud, specification.output_bucket)
    now = cloud.now()
    row = {
        "name": name,
        "state": State.PENDING,
        "created_at": now,
        "modified_at": now,
        "specification": asdict(specification),
        "progress": asdict(Progress()),
        "due_at": now,
    }
    begun = events.Event(now, State.PENDING, "Starting the training job")
    records.add(cloud, training_jobs, KIND, subject(name), row, labels, begun)


def find(cloud: Cloud, name: str) -> TrainingJob:
    """The job of this name. Raises NotFound."""
    return from_row(records.find(cloud, training_jobs, KIND, name))


def history(cloud: Cloud, name: str) -> list[events.Event]:
    """What the job has gone through, oldest first."""
    with cloud.database.read() as connection:
        return events.of(connection, subject(name))


def final_metrics(cloud: Cloud, name: str) -> dict[str, metrics.Point]:
    """The last point of each of the job's metrics."""
    with cloud.database.read() as connection:
        return metrics.final_values(connection, name)


def stop(cloud: Cloud, name: str) -> None:
    """Wish the job to end; the reconciler sees to it. Raises NotFound, and Invalid where it has ended."""
    with cloud.database.transaction() as connection:
        row = connection.execute(select(training_jobs.c.state).where(training_jobs.c.name == name)).one_or_none()
        if row is None:
            raise NotFound(KIND, name)
        if State(row.state).is_end:
            raise Invalid(f"The training job {name!r} has ended ({row.state}) and cannot be stopped.")
        connection.execute(update(training_jobs).where(training_jobs.c.name == name).values(stop_requested=True))
    cloud.bell.ring()


def billable_seconds(started_at: float, ended_at: float) -> int:
    """Whole seconds, begun ones counted."""
    return max(1, math.ceil(ended_at - started_at))


def from_row(row: Row[Any]) -> TrainingJob:
    """The job that a row of the table holds."""
    known = {member.name for member in fields(Specification)}  # an earlier version may have kept more
    asked = {name: value for name, value in row.specification.items() if name in known}
    asked["channels"] = tuple(channels.from_record(channel) for channel in asked["channels"])
    asked["input_mode"] = Mode(asked.get("input_mode", Mode.FILE))
    asked["metric_definitions"] = tuple(Definition(**definition) for definition in asked["metric_definitions"])
    return TrainingJob(
        name=row.name,
        state=State(row.state),
        created_at=row.created_at,
        modified_at=row.modified_at,
        ended_at=row.ended_at,
        stop_requested=row.stop_requested,
        specification=Specification(**asked),
        progress=Progress(**row.progress),
    )


def _check_output(cloud: Cloud, bucket: str) -> None:
    try:
        buckets.find(cloud, bucket)
    except NotFound as error:
        raise Invalid(f"The bucket {bucket!r} of the output does not exist. Create it, or name another.") from error
