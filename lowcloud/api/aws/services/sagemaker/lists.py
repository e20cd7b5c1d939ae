"""List requests and their answers, which are the same for all SageMaker resources."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.sagemaker.errors import invalid, page_token_errors
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.resource_kind import Record, ResourceKind
from lowcloud.core.resources import Condition, Page, Query

DEFAULT_PAGE_SIZE = 10
SORT_FIELDS = {  # by the values of SortBy
    "CreationTime": "created_at",
    "Name": "name",
    "Status": "state",
    "SourceArn": "source",
    "SourceType": "source_type",
    "DestinationArn": "destination",
    "DestinationType": "destination_type",
}
AFTER = {"CreationTimeAfter": "created_at", "CreatedAfter": "created_at", "LastModifiedTimeAfter": "modified_at"}
BEFORE = {"CreationTimeBefore": "created_at", "CreatedBefore": "created_at", "LastModifiedTimeBefore": "modified_at"}


def list_answer(
    context: Context,
    request: Request,
    member: str,
    kind: ResourceKind[Record],
    summarize: Callable[[Context, Record], Mapping[str, Any]],
    where: Sequence[Condition] = (),
    **equals: str | Collection[str] | None,
) -> Answer:
    """Return the answer of a List operation: summaries of the requested page, newest first by default.

    `equals` gives the value that a field must have, or several of which it must have one; None: any.
    """
    page = read_page(context, request, kind, where, **equals)
    return {member: [summarize(context, record) for record in page.records], "NextToken": page.next_token}


def read_page(
    context: Context,
    request: Request,
    kind: ResourceKind[Record],
    where: Sequence[Condition] = (),
    **equals: str | Collection[str] | None,
) -> Page[Record]:
    """Return the page that a List request describes. Raises AwsError."""
    given = {name: value for name, value in equals.items() if value is not None}
    sort_by = request.get("SortBy") or "CreationTime"
    if sort_by not in SORT_FIELDS:
        raise invalid(f"Lowcloud does not sort this list by {sort_by} yet.")
    query = Query(
        limit=request.get("MaxResults", DEFAULT_PAGE_SIZE),
        token=request.get("NextToken"),
        sort_by=SORT_FIELDS[sort_by],
        descending=request.get("SortOrder", "Descending") == "Descending",
        equals={name: [value] if isinstance(value, str) else value for name, value in given.items()},
        after=_read_times(request, AFTER),
        before=_read_times(request, BEFORE),
        name_contains=request.get("NameContains"),
    )
    with page_token_errors():
        return resources.list_page(context, kind, query, where)


def _read_times(request: Request, members: Mapping[str, str]) -> dict[str, float]:
    return {field: request[member].timestamp() for member, field in members.items() if member in request}
