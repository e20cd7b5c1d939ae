"""Tracking: what every job, model and endpoint leaves behind so that its origin can be told.

A job has a trial component from its first moment, in a trial of an experiment where its user named one, and its data,
image and code are artifacts that contributed to it; what it stores are artifacts that it produced. The dialects' own
functions begin and end that within the transactions that change the job itself, so neither is ever there alone.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, delete, update

from lowcloud.core.named_rows import require
from lowcloud.core.staging.inputs import parse_uri
from lowcloud.core.storage.objects import versions
from lowcloud.core.tracking import lineage, trial_components, trials
from lowcloud.core.tracking.lineage import OWN, Described, Edge, Entity, EntityKind
from lowcloud.core.tracking.trial_components import Artifact, TrialComponent
from lowcloud.store.db import upsert
from lowcloud.store.db.tables import associations
from lowcloud.store.db.tables import trial_components as components

DATASET, IMAGE, CODE, MODEL, CHECKPOINT = "DataSet", "Image", "Code", "Model", "Checkpoint"
DEPLOYMENT, ENDPOINT = "ModelDeployment", "Endpoint"
ETAG, VERSION = "S3ETag", "S3Version"
VALUE_LIMIT = 2500  # characters of a parameter
IN_PROGRESS = "InProgress"


@dataclass(frozen=True)
class Material:
    """What goes into a job or comes out of it."""

    name: str  # of the channel or output; "SageMaker.ImageUri" and the like
    uri: str  # "s3://bucket/key", a prefix, or an image's
    type: str = DATASET
    media_type: str | None = None


@dataclass(frozen=True)
class Grouping:
    """Where the user wants the job filed."""

    experiment: str | None = None
    trial: str | None = None  # None: a new one of the experiment
    display_name: str | None = None
    run: str | None = None  # the trial component that the user logs to, of which the job is a part


NOWHERE = Grouping()


def component_of(subject: str) -> str:
    """The name of the trial component of a job: of "training-job/NAME", "NAME-aws-training-job"."""
    kind, _, name = subject.partition("/")
    return f"{name}-aws-{kind}"


def begin(
    connection: Connection,
    subject: str,
    now: float,
    materials: Sequence[Material],
    parameters: Mapping[str, str | float],
    grouping: Grouping = NOWHERE,
) -> None:
    """Keep the trial component of the job of this subject, and what went into it.

    Raises NotFound and Invalid for what its grouping names.
    """
    component = TrialComponent(
        name=component_of(subject),
        created_at=now,
        modified_at=now,
        display_name=grouping.display_name,
        source=subject,
        run=grouping.run and require(connection, components, trials.COMPONENT, grouping.run).name,
        status=IN_PROGRESS,
        parameters=_parameters(parameters),
        inputs={one.name: Artifact(one.uri, one.media_type) for one in materials},
    )
    own_trial = f"{subject.partition('/')[2]}-aws-trial"
    trial = trials.chosen(connection, grouping.experiment, grouping.trial, own_trial, now)
    upsert.insert_missing(connection, components, asdict(component))
    if trial:
        trials.enter(connection, trial, component.name)
    own = lineage.of_component(component)
    found = [_artifact(connection, one, now) for one in materials]
    lineage.enter(connection, found, [lineage.link(one, own, Edge.CONTRIBUTED_TO, now) for one in found])


def start(connection: Connection, subject: str, now: float, started_at: float) -> None:
    """The job's program runs, perhaps again."""
    _change(connection, component_of(subject), now, started_at=started_at)


def end(
    connection: Connection, subject: str, now: float, status: str, message: str = "", products: Sequence[Material] = ()
) -> None:
    """Keep how a job has ended ("Completed", "Failed" or "Stopped"), and what it produced."""
    component, kind = component_of(subject), subject.partition("/")[0]
    outputs = {one.name: asdict(Artifact(one.uri, one.media_type)) for one in products}
    values = {"status": status, "message": message[:1024], "ended_at": now}
    if not _change(connection, component, now, **values, outputs=outputs):
        return  # its user has deleted it
    made = [_artifact(connection, one, now) for one in products]
    own = Described(trial_components.subject(component), trials.COMPONENT, kind, now, now)
    lineage.enter(connection, made, [lineage.link(own, one, Edge.PRODUCED, now) for one in made])


def model(connection: Connection, name: str, image: str, artifact: str | None, now: float) -> None:
    """Keep what a model is made from: its artifact, which perhaps a job has produced, and its image."""
    entity = lineage.artifact(MODEL, f"{OWN}model/{name}", now)
    sources = [Material("image", image, IMAGE), *([Material("artifact", artifact, MODEL)] if artifact else [])]
    _forget_edges_to(connection, entity.subject)  # of an earlier model of this name
    _derive(connection, entity, [_known_artifact(connection, one, now) for one in sources], now)


def endpoint(connection: Connection, name: str, models: Iterable[str], now: float) -> None:
    """Keep which models an endpoint serves from now on; what it served before is no origin of it any more."""
    source = f"{OWN}endpoint/{name}"
    context = Entity(EntityKind.CONTEXT, f"{name}-aws-endpoint", ENDPOINT, source, now, now)
    action_name = f"{name}-{int(now * 1000)}-aws-deployment"
    action = Entity(EntityKind.ACTION, action_name, DEPLOYMENT, source, now, now, status="Completed")
    served = [lineage.artifact(MODEL, f"{OWN}model/{one}", now) for one in dict.fromkeys(models)]
    _forget_edges_to(connection, context.subject)
    _derive(connection, action, served, now)
    lineage.enter(connection, [context], [lineage.link(action, context, Edge.ASSOCIATED_WITH, now)])


def _change(connection: Connection, component: str, now: float, **values: Any) -> bool:
    """Whether the component is there."""
    is_it = components.c.name == component
    return connection.execute(update(components).where(is_it).values(**values, modified_at=now)).rowcount == 1


def _parameters(said: Mapping[str, str | float]) -> dict[str, str | float]:
    """Numbers as numbers, so that they can be compared and drawn."""
    return {name: _number(value) for name, value in list(said.items())[: trial_components.PARAMETERS_LIMIT]}


def _number(value: str | float) -> str | float:
    try:
        number = float(value)
    except ValueError:
        return str(value)[:VALUE_LIMIT]
    return number if math.isfinite(number) else str(value)


def _forget_edges_to(connection: Connection, subject: str) -> None:
    connection.execute(delete(associations).where(associations.c.destination == subject))


def _derive(connection: Connection, entity: Entity, sources: Sequence[Entity], now: float) -> None:
    edges = [lineage.link(one, entity, Edge.CONTRIBUTED_TO, now) for one in sources]
    lineage.enter(connection, [entity, *sources], edges)


def _artifact(connection: Connection, material: Material, now: float) -> Entity:
    return lineage.artifact(material.type, material.uri, now, _version(connection, material.uri))


def _known_artifact(connection: Connection, material: Material, now: float) -> Entity:
    """The artifact that is there already, of this version of it or else of the newest, or a new one."""
    new = _artifact(connection, material, now)
    return lineage.with_source(connection, material.uri, new.source_details) or new


def _version(connection: Connection, uri: str) -> dict[str, str]:
    """What tells this version of an object from others; nothing of what is no object by itself, such as a prefix."""
    if not uri.startswith("s3://"):
        return {}
    bucket, key = parse_uri(uri)
    found = versions.newest(connection, bucket, key) if key else None
    if found is None or found.is_marker:
        return {}
    return {ETAG: found.etag, **({VERSION: found.version} if found.version != versions.NULL else {})}
