"""Queries of the lineage graph."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from lowcloud.api.aws.access.permissions import on_any
from lowcloud.api.aws.arns import of_sagemaker, subject_of
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.errors import invalid, page_token_errors, tracking_errors
from lowcloud.api.aws.services.sagemaker.sources import source_types
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.tracking import lineage_query
from lowcloud.core.tracking.associations import Association, Vertex
from lowcloud.core.tracking.lineage_query import Direction
from lowcloud.core.tracking.trial_components import COMPONENT

DEFAULT_DEPTH = 10
DEFAULT_PAGE_SIZE = 1000  # MaxResults itself is at most 50
LINEAGE_TYPES = {"artifact": "Artifact", "action": "Action", "context": "Context", "trial component": "TrialComponent"}
UNSOURCED_TYPE = "ExperimentTrialComponent"  # of a component that describes no job


@operation("sagemaker", "QueryLineage", on_any())
def query_lineage(context: Context, _caller: Caller, request: Request) -> Answer:
    """The nearest vertices first. Filters select what is returned, not what is passed through."""
    if not request.get("StartArns"):
        raise invalid("QueryLineage needs a StartArn.")
    depth = request.get("MaxDepth", DEFAULT_DEPTH)
    size = request.get("MaxResults", DEFAULT_PAGE_SIZE)
    if depth < 1 or size < 1:
        raise invalid("MaxDepth and MaxResults must be at least 1.")
    starts = [subject_of(context, arn) for arn in request["StartArns"]]
    direction = Direction(request.get("Direction", "Both"))
    admits = _filter(context, request.get("Filters", {}))
    with tracking_errors(), page_token_errors():
        graph = lineage_query.walk(context, starts, direction, depth, admits, size, request.get("NextToken"))
    return {
        "Vertices": [_vertex(context, vertex) for vertex in graph.vertices],
        "Edges": [_edge(context, edge) for edge in graph.edges] if request.get("IncludeEdges", True) else [],
        "NextToken": graph.next_token,
    }


def _filter(context: Context, filters: Mapping[str, Any]) -> Callable[[Vertex], bool]:
    types = {name.removeprefix("SageMaker") for name in filters.get("Types", ())}
    kinds = set(filters.get("LineageTypes", ()))
    unknown = kinds - set(LINEAGE_TYPES.values())
    if unknown:
        known = ", ".join(LINEAGE_TYPES.values())
        raise invalid(f"Unknown LineageTypes: {', '.join(sorted(unknown))}. There are {known}.")
    created = _bounds(filters, "CreatedAfter", "CreatedBefore")
    modified = _bounds(filters, "ModifiedAfter", "ModifiedBefore")
    properties = filters.get("Properties", {}).items()

    def admits(vertex: Vertex) -> bool:
        return (
            (not types or _type(context, vertex) in types)
            and (not kinds or LINEAGE_TYPES.get(vertex.kind) in kinds)
            and created[0] <= vertex.created_at <= created[1]
            and modified[0] <= vertex.modified_at <= modified[1]
            and all(vertex.properties.get(name) == value for name, value in properties)
        )

    return admits


def _type(context: Context, vertex: Vertex) -> str | None:
    """Return the type of an entity, or "TrainingJob" and the like for the component of a job."""
    if vertex.kind != COMPONENT.noun:
        return vertex.type or None
    return source_types(context).get(vertex.type, UNSOURCED_TYPE).removeprefix("SageMaker")


def _bounds(filters: Mapping[str, Any], after: str, before: str) -> tuple[float, float]:
    return (
        filters[after].timestamp() if after in filters else -math.inf,
        filters[before].timestamp() if before in filters else math.inf,
    )


def _vertex(context: Context, vertex: Vertex) -> dict[str, Any]:
    return {
        "Arn": of_sagemaker(context, vertex.subject),
        "Type": _type(context, vertex),
        "LineageType": LINEAGE_TYPES.get(vertex.kind),
    }


def _edge(context: Context, edge: Association) -> dict[str, Any]:
    return {
        "SourceArn": of_sagemaker(context, edge.source),
        "DestinationArn": of_sagemaker(context, edge.destination),
        "AssociationType": edge.type,
    }
