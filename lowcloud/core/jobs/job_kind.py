"""Kinds of jobs: the differences between them. A new kind is one module that defines a JobKind."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, Table

from lowcloud.core.control.reconciler import LeasedRecord
from lowcloud.core.jobs import jobs, lifecycle
from lowcloud.core.jobs.jobs import Job, Specification
from lowcloud.core.programs.resolver import Program, ProgramRules
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.core.telemetry.metrics import MetricScope
from lowcloud.core.tracking.provenance import TrackedUri


@dataclass(frozen=True, eq=False, kw_only=True)
class JobKind(ResourceKind[Job]):
    """One kind of job. Jobs of all kinds share one queue and one lifecycle."""

    log_group: str
    metrics: MetricScope = field()  # every kind of job has them
    tracking_prefix: str  # of the names of parameters, inputs and outputs in tracking
    role_session: str  # the session name with which a job's program acts as its role
    rules: Callable[[Specification], ProgramRules]  # which program runs for an image
    check: Callable[[Specification, Program], None]  # raises InvalidError for a request that cannot succeed
    files: Callable[[Job, int], dict[str, str]]  # the configuration files of the host of a rank, by path
    variables: Callable[[Job], dict[str, str]]  # environment variables of its own
    products: Callable[[Job], Iterator[TrackedUri]]  # the outputs of an ended job, for tracking

    load: Callable[[Row[Any]], Job] = field(init=False)
    advance: Callable[[LeasedRecord], float | None] = lifecycle.advance
    is_queued: bool = True
    environments_in_use: Callable[[Connection, Table], set[str]] = jobs.environments_in_use

    def __post_init__(self) -> None:
        object.__setattr__(self, "load", partial(jobs.from_row, self))
