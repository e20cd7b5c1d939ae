"""Operations on associations between entities, trial components and experiments."""

from collections.abc import Mapping
from typing import Any

from lowcloud.api.aws.access.permissions import on, on_any
from lowcloud.api.aws.arns import of_sagemaker, subject_of
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.errors import tracking_errors
from lowcloud.api.aws.services.sagemaker.lineage.query import UNSOURCED_TYPE
from lowcloud.api.aws.services.sagemaker.lists import read_page
from lowcloud.api.aws.services.sagemaker.sources import source_types
from lowcloud.api.aws.services.sagemaker.translation import time
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.tracking import associations
from lowcloud.core.tracking.associations import ASSOCIATION, Association, Vertex


@operation("sagemaker", "AddAssociation", on("{SourceArn}", "{DestinationArn}"))
def add_association(context: Context, _caller: Caller, request: Request) -> Answer:
    """Both ends must exist, and one of them be an artifact, an action or a context."""
    source, destination = _ends(context, request)
    with tracking_errors():
        associations.create(context, source, destination, request.get("AssociationType"))
    return {"SourceArn": request["SourceArn"], "DestinationArn": request["DestinationArn"]}


@operation("sagemaker", "DeleteAssociation", on("{SourceArn}", "{DestinationArn}"))
def delete_association(context: Context, _caller: Caller, request: Request) -> Answer:
    """Its ends remain."""
    with tracking_errors():
        associations.delete(context, *_ends(context, request))
    return {"SourceArn": request["SourceArn"], "DestinationArn": request["DestinationArn"]}


@operation("sagemaker", "ListAssociations", on_any())
def list_associations(context: Context, _caller: Caller, request: Request) -> Answer:
    """Those with an end or of a type if requested, newest first by default."""
    page = read_page(
        context,
        request,
        ASSOCIATION,
        associations.type_conditions(
            _core_type(context, request, "SourceType"), _core_type(context, request, "DestinationType")
        ),
        source=subject_of(context, request["SourceArn"]) if "SourceArn" in request else None,
        destination=subject_of(context, request["DestinationArn"]) if "DestinationArn" in request else None,
        type=request.get("AssociationType"),
    )
    vertices = associations.vertices_of(context, page.records)
    summaries = [_summarize(context, one, vertices) for one in page.records]
    return {"AssociationSummaries": summaries, "NextToken": page.next_token}


def _types(context: Context) -> dict[str, str]:
    """Return the types of vertices whose names differ from those that core gives them, by the latter."""
    return {**source_types(context), "": f"SageMaker{UNSOURCED_TYPE}"}


def _core_type(context: Context, request: Request, member: str) -> str | None:
    """Return a type as core has it; SDKs also give the kinds "Action" and "Context" as types."""
    core_types = {shown: type_ for type_, shown in _types(context).items()}
    return core_types.get(request[member], request[member]) if member in request else None


def _ends(context: Context, request: Request) -> tuple[str, str]:
    return subject_of(context, request["SourceArn"]), subject_of(context, request["DestinationArn"])


def _summarize(context: Context, one: Association, vertices: Mapping[str, Vertex]) -> dict[str, Any]:
    types = _types(context)
    return {
        "SourceArn": of_sagemaker(context, one.source),
        "SourceType": types.get(one.source_type, one.source_type),
        "SourceName": _name(one.source, vertices),
        "DestinationArn": of_sagemaker(context, one.destination),
        "DestinationType": types.get(one.destination_type, one.destination_type),
        "DestinationName": _name(one.destination, vertices),
        "AssociationType": one.type,
        "CreationTime": time(one.created_at),
    }


def _name(subject: str, vertices: Mapping[str, Vertex]) -> str | None:
    return vertices[subject].display_name if subject in vertices else None
