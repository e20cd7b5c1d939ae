"""Provenance: records of every job, model and endpoint, so that its origin can be traced.

A job has a trial component from its creation on, in a trial if its user named an experiment or a trial. Its data, image
and code are artifacts that contributed to the component, and what it stores are artifacts that it produced. These
functions run within the transactions that change the job itself, so that both are always stored together.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, delete, update

from lowcloud.core import resources
from lowcloud.core.staging.inputs import parse_uri
from lowcloud.core.storage.objects import versions
from lowcloud.core.tracking import associations, lineage, trial_components, trial_members, trials
from lowcloud.core.tracking.associations import Edge, Vertex
from lowcloud.core.tracking.lineage import SUBJECT_SCHEME, Entity, EntityKind
from lowcloud.core.tracking.trial_components import COMPONENT, Artifact, TrialComponent
from lowcloud.store.db import upsert
from lowcloud.store.db.tables import tracking as tables

DATASET, IMAGE, CODE, MODEL, CHECKPOINT = "DataSet", "Image", "Code", "Model", "Checkpoint"
DEPLOYMENT, ENDPOINT = "ModelDeployment", "Endpoint"
ETAG, VERSION = "S3ETag", "S3Version"
VALUE_LIMIT = 2500  # characters of a parameter
IN_PROGRESS = "InProgress"


@dataclass(frozen=True)
class TrackedUri:
    """A URI that a job reads or writes, for tracking: of data, an image, code or a model."""

    name: str  # of the channel or output; "SageMaker.ImageUri" and the like
    uri: str  # "s3://bucket/key", a prefix, or an image's
    type: str = DATASET
    media_type: str | None = None


@dataclass(frozen=True)
class Grouping:
    """The experiment and trial that the user assigns the job to."""

    experiment: str | None = None
    trial: str | None = None  # None: a new one of the experiment
    display_name: str | None = None
    run: str | None = None  # the trial component that the user logs to, of which the job is a part


NO_GROUPING = Grouping()


def component_of(subject: str) -> str:
    """Return the name of the trial component of a job: of "training-job/NAME", "NAME-aws-training-job"."""
    kind, _, name = subject.partition("/")
    return f"{name}-aws-{kind}"


def begin(
    connection: Connection,
    subject: str,
    now: float,
    inputs: Sequence[TrackedUri],
    parameters: Mapping[str, str | float],
    grouping: Grouping = NO_GROUPING,
) -> None:
    """Create the trial component of a new job, with its parameters and inputs.

    Raises NotFoundError and InvalidError for what its grouping names.
    """
    component = TrialComponent(
        name=component_of(subject),
        created_at=now,
        modified_at=now,
        display_name=grouping.display_name,
        source=subject,
        run=grouping.run and resources.require(connection, COMPONENT, grouping.run).name,
        status=IN_PROGRESS,
        parameters=_parameters(parameters),
        inputs={one.name: Artifact(one.uri, one.media_type) for one in inputs},
    )
    new_trial = f"{subject.partition('/')[2]}-aws-trial"
    trial = trials.choose(connection, grouping.experiment, grouping.trial, new_trial, now)
    upsert.insert_missing(connection, tables.trial_components, asdict(component))
    if trial:
        trial_members.put(connection, trial, component.name)
    vertex = associations.vertex_of_component(component)
    used = [_artifact(connection, one, now) for one in inputs]
    edges = [associations.link(one, vertex, Edge.CONTRIBUTED_TO, now) for one in used]
    associations.insert_missing(connection, used, edges)


def start(connection: Connection, subject: str, now: float, started_at: float) -> None:
    """Record that the job's program runs, perhaps again."""
    _change(connection, component_of(subject), now, started_at=started_at)


def end(
    connection: Connection,
    subject: str,
    now: float,
    status: str,
    message: str = "",
    products: Sequence[TrackedUri] = (),
) -> None:
    """Record how a job has ended ("Completed", "Failed" or "Stopped"), and what it produced."""
    component, kind = component_of(subject), subject.partition("/")[0]
    outputs = {one.name: asdict(Artifact(one.uri, one.media_type)) for one in products}
    values = {"status": status, "message": message[:1024], "ended_at": now}
    if not _change(connection, component, now, **values, outputs=outputs):
        return  # its user has deleted it
    produced = [_artifact(connection, one, now) for one in products]
    vertex = Vertex(COMPONENT.subject(component), COMPONENT.noun, kind, now, now)
    edges = [associations.link(vertex, one, Edge.PRODUCED, now) for one in produced]
    associations.insert_missing(connection, produced, edges)


def record_model(connection: Connection, name: str, image: str, artifact: str | None, now: float) -> None:
    """Record what a new model consists of: its image, and its artifact, which a job may have produced."""
    entity = lineage.artifact(MODEL, f"{SUBJECT_SCHEME}model/{name}", now)
    sources = [TrackedUri("image", image, IMAGE), *([TrackedUri("artifact", artifact, MODEL)] if artifact else [])]
    _delete_edges_to(connection, entity.subject)  # of an earlier model of this name
    _derive(connection, entity, [_known_artifact(connection, one, now) for one in sources], now)


def record_endpoint(connection: Connection, name: str, models: Iterable[str], now: float) -> None:
    """Record which models an endpoint serves from now on, in place of those that it served before."""
    source = f"{SUBJECT_SCHEME}endpoint/{name}"
    context = Entity(EntityKind.CONTEXT, f"{name}-aws-endpoint", ENDPOINT, source, now, now)
    action_name = f"{name}-{int(now * 1000)}-aws-deployment"
    action = Entity(EntityKind.ACTION, action_name, DEPLOYMENT, source, now, now, status="Completed")
    served = [lineage.artifact(MODEL, f"{SUBJECT_SCHEME}model/{one}", now) for one in dict.fromkeys(models)]
    _delete_edges_to(connection, context.subject)
    _derive(connection, action, served, now)
    edge = associations.link(action, context, Edge.ASSOCIATED_WITH, now)
    associations.insert_missing(connection, [context], [edge])


def _change(connection: Connection, component: str, now: float, **values: Any) -> bool:
    """Change the component and return whether it exists."""
    is_named = tables.trial_components.c.name == component
    statement = update(tables.trial_components).where(is_named).values(**values, modified_at=now)
    return connection.execute(statement).rowcount == 1


def _parameters(parameters: Mapping[str, str | float]) -> dict[str, str | float]:
    """Convert text to numbers where possible, so that parameters can be compared and plotted."""
    first = list(parameters.items())[: trial_components.PARAMETERS_LIMIT]
    return {name: _to_number(value) for name, value in first}


def _to_number(value: str | float) -> str | float:
    try:
        number = float(value)
    except ValueError:
        return str(value)[:VALUE_LIMIT]
    return number if math.isfinite(number) else str(value)


def _delete_edges_to(connection: Connection, subject: str) -> None:
    connection.execute(delete(tables.associations).where(tables.associations.c.destination == subject))


def _derive(connection: Connection, entity: Entity, sources: Sequence[Entity], now: float) -> None:
    edges = [associations.link(one, entity, Edge.CONTRIBUTED_TO, now) for one in sources]
    associations.insert_missing(connection, [entity, *sources], edges)


def _artifact(connection: Connection, tracked: TrackedUri, now: float) -> Entity:
    return lineage.artifact(tracked.type, tracked.uri, now, _version(connection, tracked.uri))


def _known_artifact(connection: Connection, tracked: TrackedUri, now: float) -> Entity:
    """Return the artifact that exists of this version, otherwise of the newest, otherwise a new one."""
    new = _artifact(connection, tracked, now)
    return lineage.with_source(connection, tracked.uri, new.source_details) or new


def _version(connection: Connection, uri: str) -> dict[str, str]:
    """Return what identifies this version of an object; nothing for a URI that names no object, such as a prefix."""
    if not uri.startswith("s3://"):
        return {}
    bucket, key = parse_uri(uri)
    found = versions.newest(connection, bucket, key) if key else None
    if found is None or found.is_marker:
        return {}
    return {ETAG: found.etag, **({VERSION: found.version} if found.version != versions.NULL else {})}
