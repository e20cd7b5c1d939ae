"""Associations in SageMaker's words: what has to do with what."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, or_

from lowcloud.api.aws.arns import of_sagemaker, subject_of
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.experiments.trial_components import SOURCE_TYPES
from lowcloud.api.aws.services.sagemaker.lineage.lineage import BY_HAND
from lowcloud.api.aws.services.sagemaker.tracked import in_their_words, without_none
from lowcloud.api.aws.services.sagemaker.translation import list_answer, read_list, time
from lowcloud.core.context import Context
from lowcloud.core.identity.access import Caller
from lowcloud.core.tracking import lineage
from lowcloud.core.tracking.lineage import Described, EntityKind
from lowcloud.store.db.tables import associations

TYPES = {**SOURCE_TYPES, "": f"SageMaker{BY_HAND}"}  # of what experiments know, by the type that core gives it
SORT_COLUMNS = {
    "CreationTime": "created_at",
    "SourceArn": "source",
    "DestinationArn": "destination",
    "SourceType": "source_type",
    "DestinationType": "destination_type",
}


@operation("sagemaker", "AddAssociation")
def add_association(context: Context, _caller: Caller, request: Request) -> Answer:
    """Both ends must exist, and one of them be an artifact, an action or a context."""
    source, destination = _ends(context, request)
    with in_their_words():
        lineage.associate(context, source, destination, request.get("AssociationType"))
    return {"SourceArn": request["SourceArn"], "DestinationArn": request["DestinationArn"]}


@operation("sagemaker", "DeleteAssociation")
def delete_association(context: Context, _caller: Caller, request: Request) -> Answer:
    """What was associated stays."""
    with in_their_words():
        lineage.dissociate(context, *_ends(context, request))
    return {"SourceArn": request["SourceArn"], "DestinationArn": request["DestinationArn"]}


@operation("sagemaker", "ListAssociations")
def list_associations(context: Context, _caller: Caller, request: Request) -> Answer:
    """With an end, or of types, newest first unless asked otherwise."""
    page = read_list(context, request, associations, SORT_COLUMNS, _where(context, request))
    ends = {end for row in page.rows for end in (row.source, row.destination)}
    with context.database.read() as connection:
        known = lineage.described(connection, ends)
    return list_answer(
        "AssociationSummaries", [_summary(context, dict(row._mapping), known) for row in page.rows], page
    )


def _where(context: Context, request: Request) -> list[ColumnElement[bool]]:
    wanted = {
        "source": subject_of(context, request["SourceArn"]) if "SourceArn" in request else None,
        "destination": subject_of(context, request["DestinationArn"]) if "DestinationArn" in request else None,
        "type": request.get("AssociationType"),
    }
    where = [associations.c[column] == value for column, value in without_none(wanted).items()]
    for side in ("Source", "Destination"):
        if f"{side}Type" in request:
            where.append(_is_of(side.lower(), request[f"{side}Type"]))
    return where


def _is_of(side: str, type_: str) -> ColumnElement[bool]:
    """Whether an end has a type; SDKs name the kinds "Action" and "Context" like types."""
    kinds = {shown: kind for kind, shown in TYPES.items()}
    has_type = associations.c[f"{side}_type"] == kinds.get(type_, type_)
    if type_.lower() not in set(EntityKind):
        return has_type
    return or_(has_type, associations.c[side].startswith(f"{type_.lower()}/"))


def _ends(context: Context, request: Request) -> tuple[str, str]:
    return subject_of(context, request["SourceArn"]), subject_of(context, request["DestinationArn"])


def _summary(context: Context, row: Mapping[str, Any], known: Mapping[str, Described]) -> dict[str, Any]:
    told = {
        "SourceArn": of_sagemaker(context, row["source"]),
        "SourceType": TYPES.get(row["source_type"], row["source_type"]),
        "SourceName": known[row["source"]].shown_name if row["source"] in known else None,
        "DestinationArn": of_sagemaker(context, row["destination"]),
        "DestinationType": TYPES.get(row["destination_type"], row["destination_type"]),
        "DestinationName": known[row["destination"]].shown_name if row["destination"] in known else None,
        "AssociationType": row["type"],
    }
    return {**told, "CreationTime": time(row["created_at"])}
