"""Records of endpoints: variants, state, and the row that contains them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Row

from lowcloud.core.programs.resolver import Program
from lowcloud.core.serving import models
from lowcloud.core.serving.models import Model

PREFIX = "endpoint"  # of subjects
SEE_LOG = "See its log: lowcloud logs --endpoint {name}"  # at the end of messages
LOG_GROUPS = "/aws/sagemaker/Endpoints"


class EndpointState(StrEnum):
    """The states of an endpoint."""

    CREATING = "creating"
    IN_SERVICE = "in service"
    DELETING = "deleting"
    FAILED = "failed"


@dataclass(frozen=True)
class Variant:
    """One model behind an endpoint, its replicas, and its weight among the variants."""

    name: str
    model: str
    instance_type: str
    instance_count: int = 1
    weight: float = 1.0


@dataclass(frozen=True)
class Endpoint:
    """The current state of an endpoint, and its models as they were when it was created."""

    name: str
    state: EndpointState
    created_at: float
    modified_at: float
    configuration: str
    delete_requested: bool
    variants: tuple[Variant, ...]
    models: Mapping[str, Model]
    failure: str | None = None  # why it is failed or, in service, why a replica cannot be started again
    short_lives: Mapping[str, int] = field(default_factory=dict)  # by work id: how often in a row it ended early
    programs: Mapping[str, Program] = field(default_factory=dict)  # that serves each model, once chosen
    environments: Mapping[str, str] = field(default_factory=dict)  # of each model, as Work names it
    prepared_at: float | None = None  # since when all of these are ready
    waits_for: str | None = None  # why the engine can start no replica now

    @property
    def subject(self) -> str:
        return f"{PREFIX}/{self.name}"

    @property
    def log_group(self) -> str:
        """Of its replicas."""
        return f"{LOG_GROUPS}/{self.name}"

    def work_ids(self) -> dict[str, list[str]]:
        """Return the id of each replica's work, by variant."""
        created_ms = int(self.created_at * 1000)  # a name may be used again, for other work
        return {
            variant.name: [
                f"{self.subject}/{created_ms}/{variant.name}/{replica}" for replica in range(variant.instance_count)
            ]
            for variant in self.variants
        }


def from_row(row: Row[Any]) -> Endpoint:
    """Return the endpoint in a row of the table."""
    return Endpoint(
        name=row.name,
        state=EndpointState(row.state),
        created_at=row.created_at,
        modified_at=row.modified_at,
        configuration=row.configuration,
        delete_requested=row.delete_requested,
        variants=tuple(Variant(**variant) for variant in row.progress["variants"]),
        models={name: models.from_record(model) for name, model in row.progress["models"].items()},
        failure=row.progress["failure"],
        short_lives=row.progress.get("short_lives", {}),
        programs={name: Program.from_record(each) for name, each in row.progress.get("programs", {}).items()},
        environments=row.progress.get("environments", {}),
        prepared_at=row.progress.get("prepared_at"),
        waits_for=row.progress.get("waits_for"),
    )
