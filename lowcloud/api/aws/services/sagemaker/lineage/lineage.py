"""Artifacts, actions and contexts in SageMaker's words, where they are alike, and queries of the graph they make."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement

from lowcloud.api.aws.arns import of_sagemaker, subject_of
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.experiments.trial_components import SOURCE_TYPES
from lowcloud.api.aws.services.sagemaker.tracked import in_their_words, show_metadata, source_of, times, uri_of
from lowcloud.api.aws.services.sagemaker.translation import invalid, list_answer, read_list, read_offset
from lowcloud.core.context import Context
from lowcloud.core.identity.access import Caller
from lowcloud.core.tracking import lineage, lineage_query
from lowcloud.core.tracking.lineage import Described, Entity, EntityKind
from lowcloud.core.tracking.lineage_query import Direction
from lowcloud.store.db.pages import offset_token
from lowcloud.store.db.tables import lineage_entities

MOST_DEPTH = 10
MOST_VERTICES = 1000  # told at once where the request says nothing; a request can ask for 50
LINEAGE_TYPES = {"artifact": "Artifact", "action": "Action", "context": "Context", "trial component": "TrialComponent"}
BY_HAND = "ExperimentTrialComponent"  # the type of a component that tells of no job


@operation("sagemaker", "QueryLineage")
def query_lineage(context: Context, _caller: Caller, request: Request) -> Answer:
    """The nearest vertices first. Filters choose what is told, not what is passed through."""
    if not request.get("StartArns"):
        raise invalid("QueryLineage needs a StartArn.")
    depth = request.get("MaxDepth", MOST_DEPTH)
    size = request.get("MaxResults", MOST_VERTICES)
    if depth < 1 or size < 1:
        raise invalid("MaxDepth and MaxResults must be at least 1.")
    begin = read_offset(request)
    starts = [subject_of(context, arn) for arn in request["StartArns"]]
    direction = Direction(request.get("Direction", "Both"))
    wanted = _filter(request.get("Filters", {}))
    with in_their_words():
        graph = lineage_query.walk(context, starts, direction, depth, wanted, begin + size + 1)
    page = graph.vertices[begin : begin + size]
    is_more = len(graph.vertices) > begin + size
    return {
        "Vertices": [_vertex(context, vertex) for vertex in page],
        "Edges": [_edge(context, edge) for edge in graph.edges] if request.get("IncludeEdges", True) else [],
        "NextToken": offset_token(begin + size) if is_more else None,
    }


def describe(context: Context, entity: Entity) -> dict[str, Any]:
    """The members that the answers for all three kinds share; members of the source are the kind's own."""
    kind = entity.kind.capitalize()
    return {
        f"{kind}Name": entity.display_name if entity.kind == EntityKind.ARTIFACT else entity.name,
        f"{kind}Arn": of_sagemaker(context, entity.subject),
        f"{kind}Type": entity.type,
        "Properties": dict(entity.properties),
        "Description": entity.description,
        "Status": entity.status,
        "MetadataProperties": show_metadata(entity.metadata),
        **times(entity),
    }


def list_entities(
    context: Context, request: Request, kind: EntityKind, show: Callable[[Context, Entity], dict[str, Any]]
) -> dict[str, Any]:
    """A page of one kind, of a source or a type where the request says so, newest first unless it says otherwise."""
    name = kind.capitalize()
    where: list[ColumnElement[bool]] = [lineage_entities.c.kind == kind]
    if uri := request.get("SourceUri"):
        where.append(lineage_entities.c.source == source_of(context, uri))
    if type_ := request.get(f"{name}Type"):
        where.append(lineage_entities.c.type == type_)
    page = read_list(context, request, lineage_entities, {"CreationTime": "created_at", "Name": "name"}, where)
    found = [show(context, lineage.from_row(row)) for row in page.rows]
    hidden = ("Properties", "Description", "MetadataProperties")
    return list_answer(f"{name}Summaries", [{key: one[key] for key in one if key not in hidden} for one in found], page)


def update(context: Context, request: Request, kind: EntityKind, name: str, values: Mapping[str, Any]) -> Answer:
    """Set columns, add properties, and remove others."""
    put, drop = request.get("Properties", {}), request.get("PropertiesToRemove", ())
    with in_their_words():
        entity = lineage.change(context, kind, name, values, put, drop)
    return {f"{kind.capitalize()}Arn": of_sagemaker(context, entity.subject)}


def delete(context: Context, kind: EntityKind, name: str) -> Answer:
    """Its associations must be gone before."""
    with in_their_words():
        lineage.remove(context, kind, name)
    return {f"{kind.capitalize()}Arn": of_sagemaker(context, f"{kind}/{name}")}


def read_source(context: Context, source: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The Source of an action or a context: where it is, and what is said of it beside."""
    details = {member: source[member] for member in ("SourceType", "SourceId") if member in source}
    return source_of(context, source["SourceUri"]), details


def show_source(context: Context, entity: Entity) -> dict[str, str]:
    """The inverse of `read_source`."""
    return {"SourceUri": uri_of(context, entity.source), **entity.source_details}


def type_of(found: Described) -> str | None:
    """The type of an entity, or "TrainingJob" and the like for the component of a job."""
    if found.kind != "trial component":
        return found.type or None
    return SOURCE_TYPES[found.type].removeprefix("SageMaker") if found.type in SOURCE_TYPES else BY_HAND


def _filter(filters: Mapping[str, Any]) -> Callable[[Described], bool]:
    types = {name.removeprefix("SageMaker") for name in filters.get("Types", ())}
    kinds = set(filters.get("LineageTypes", ()))
    unknown = kinds - set(LINEAGE_TYPES.values())
    if unknown:
        known = ", ".join(LINEAGE_TYPES.values())
        raise invalid(f"Unknown LineageTypes: {', '.join(sorted(unknown))}. There are {known}.")
    created = _bounds(filters, "CreatedAfter", "CreatedBefore")
    modified = _bounds(filters, "ModifiedAfter", "ModifiedBefore")
    properties = filters.get("Properties", {}).items()

    def is_wanted(found: Described) -> bool:
        return (
            (not types or type_of(found) in types)
            and (not kinds or LINEAGE_TYPES.get(found.kind) in kinds)
            and created[0] <= found.created_at <= created[1]
            and modified[0] <= found.modified_at <= modified[1]
            and all(found.properties.get(name) == value for name, value in properties)
        )

    return is_wanted


def _bounds(filters: Mapping[str, Any], after: str, before: str) -> tuple[float, float]:
    return (
        filters[after].timestamp() if after in filters else -math.inf,
        filters[before].timestamp() if before in filters else math.inf,
    )


def _vertex(context: Context, found: Described) -> dict[str, Any]:
    return {
        "Arn": of_sagemaker(context, found.subject),
        "Type": type_of(found),
        "LineageType": LINEAGE_TYPES.get(found.kind),
    }


def _edge(context: Context, edge: lineage.Association) -> dict[str, Any]:
    return {
        "SourceArn": of_sagemaker(context, edge.source),
        "DestinationArn": of_sagemaker(context, edge.destination),
        "AssociationType": edge.type,
    }
