"""Associations in SageMaker's words: what has to do with what."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, or_

from lowcloud.aws.arns import of_sagemaker, subject_of
from lowcloud.aws.operations import Answer, Request, operation
from lowcloud.aws.sagemaker.lineage import BY_HAND
from lowcloud.aws.sagemaker.tracked import in_their_words, without_none
from lowcloud.aws.sagemaker.translation import list_answer, read_list, time
from lowcloud.aws.sagemaker.trial_components import SOURCE_TYPES
from lowcloud.core import lineage
from lowcloud.core.access import Caller
from lowcloud.core.cloud import Cloud
from lowcloud.core.lineage import Described, Kind
from lowcloud.store.tables import associations

TYPES = {**SOURCE_TYPES, "": f"SageMaker{BY_HAND}"}  # of what experiments know, by the type that core gives it
SORT_COLUMNS = {
    "CreationTime": "created_at",
    "SourceArn": "source",
    "DestinationArn": "destination",
    "SourceType": "source_type",
    "DestinationType": "destination_type",
}


@operation("sagemaker", "AddAssociation")
def add_association(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Both ends must exist, and one of them be an artifact, an action or a context."""
    source, destination = _ends(cloud, request)
    with in_their_words():
        lineage.associate(cloud, source, destination, request.get("AssociationType"))
    return {"SourceArn": request["SourceArn"], "DestinationArn": request["DestinationArn"]}


@operation("sagemaker", "DeleteAssociation")
def delete_association(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """What was associated stays."""
    with in_their_words():
        lineage.dissociate(cloud, *_ends(cloud, request))
    return {"SourceArn": request["SourceArn"], "DestinationArn": request["DestinationArn"]}


@operation("sagemaker", "ListAssociations")
def list_associations(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """With an end, or of types, newest first unless asked otherwise."""
    page = read_list(cloud, request, associations, SORT_COLUMNS, _where(cloud, request))
    ends = {end for row in page.rows for end in (row.source, row.destination)}
    with cloud.database.read() as connection:
        known = lineage.described(connection, ends)
    return list_answer("AssociationSummaries", [_summary(cloud, dict(row._mapping), known) for row in page.rows], page)


def _where(cloud: Cloud, request: Request) -> list[ColumnElement[bool]]:
    wanted = {
        "source": subject_of(cloud, request["SourceArn"]) if "SourceArn" in request else None,
        "destination": subject_of(cloud, request["DestinationArn"]) if "DestinationArn" in request else None,
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
    if type_.lower() not in set(Kind):
        return has_type
    return or_(has_type, associations.c[side].startswith(f"{type_.lower()}/"))


def _ends(cloud: Cloud, request: Request) -> tuple[str, str]:
    return subject_of(cloud, request["SourceArn"]), subject_of(cloud, request["DestinationArn"])


def _summary(cloud: Cloud, row: Mapping[str, Any], known: Mapping[str, Described]) -> dict[str, Any]:
    told = {
        "SourceArn": of_sagemaker(cloud, row["source"]),
        "SourceType": TYPES.get(row["source_type"], row["source_type"]),
        "SourceName": known[row["source"]].shown_name if row["source"] in known else None,
        "DestinationArn": of_sagemaker(cloud, row["destination"]),
        "DestinationType": TYPES.get(row["destination_type"], row["destination_type"]),
        "DestinationName": known[row["destination"]].shown_name if row["destination"] in known else None,
        "AssociationType": row["type"],
    }
    return {**told, "CreationTime": time(row["created_at"])}
