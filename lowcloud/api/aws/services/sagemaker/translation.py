"""What all SageMaker resources translate alike: roles, S3 URIs, tags, times, and the members of List requests."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Table

from lowcloud import contract
from lowcloud.api.aws.arns import parse_role
from lowcloud.api.aws.errors import AwsError
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError, NotFoundError
from lowcloud.core.identity import roles
from lowcloud.core.staging import inputs
from lowcloud.core.staging.channels import DataSourceType, Mode
from lowcloud.core.tracking.provenance import Grouping
from lowcloud.store.db import pages
from lowcloud.store.db.pages import InvalidTokenError, Order, Page

DEFAULT_PAGE_SIZE = 10


INPUT_MODES = {"File": Mode.FILE, "FastFile": Mode.LAZY, "Pipe": Mode.PIPE}
INPUT_KINDS = {
    "S3Prefix": DataSourceType.PREFIX,
    "ManifestFile": DataSourceType.MANIFEST,
    "AugmentedManifestFile": DataSourceType.AUGMENTED,
}


def invalid(message: str) -> AwsError:
    """SageMaker's answer to a request that cannot be carried out."""
    return AwsError("ValidationException", message)


def time(seconds: float) -> datetime:
    """Seconds since the epoch as the serialiser takes them."""
    return datetime.fromtimestamp(seconds, UTC)


def require_role(context: Context, arn: str) -> None:
    """Refuse a role that does not exist here."""
    role = parse_role(arn)
    if role.account_id != context.settings.account_id:
        raise invalid(
            f"The role {arn} belongs to another account; this cloud's account is {context.settings.account_id}."
        )
    try:
        roles.find(context, role.name)
    except NotFoundError as error:
        raise invalid(
            f"Could not assume role {arn}. The role does not exist: create it with iam:CreateRole."
        ) from error


def parse_s3_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of a URI."""
    try:
        return inputs.parse_uri(uri)
    except InvalidError as error:
        raise invalid(str(error)) from error


def local_folder(path: str) -> str:
    """A folder of a program, relative to its base."""
    base, parts = f"{contract.DEFAULT_BASE_DIR}/", path.split("/")
    if not path.startswith(base) or ".." in parts or path.rstrip("/") == contract.DEFAULT_BASE_DIR:
        raise invalid(f"The local path {path!r} must lie below {contract.DEFAULT_BASE_DIR}.")
    return path.removeprefix(base).strip("/")


def read_tags(request: Mapping[str, Any]) -> dict[str, str]:
    """The Tags member as a mapping."""
    tags: Sequence[Mapping[str, str]] = request.get("Tags", [])
    keys = [tag["Key"] for tag in tags]
    if len(set(keys)) != len(keys):
        raise invalid("Duplicate tag keys are not allowed.")
    return {tag["Key"]: tag["Value"] for tag in tags}


def read_grouping(request: Mapping[str, Any]) -> Grouping:
    """The ExperimentConfig member of a job's request."""
    said = request.get("ExperimentConfig", {})
    return Grouping(
        experiment=said.get("ExperimentName"),
        trial=said.get("TrialName"),
        display_name=said.get("TrialComponentDisplayName"),
        run=said.get("RunName"),
    )


def read_list(
    context: Context,
    request: Mapping[str, Any],
    table: Table,
    sort_columns: Mapping[str, str],
    where: Sequence[ColumnElement[bool]] = (),
    default_order: str = "Descending",
) -> Page:
    """A page as any SageMaker List request asks for it: filters, SortBy, SortOrder, MaxResults, NextToken.

    `sort_columns` gives the column of each SortBy value; the first is the default.
    """
    sort_by = request.get("SortBy") or next(iter(sort_columns))
    is_descending = request.get("SortOrder", default_order) == "Descending"
    order = Order(sort_columns[sort_by], is_descending)
    conditions = [*where, *_filters(request, table)]
    try:
        return resources.list_page(
            context, table, conditions, order, request.get("MaxResults", DEFAULT_PAGE_SIZE), request.get("NextToken")
        )
    except InvalidTokenError as error:
        raise invalid(f"Invalid NextToken: {error}") from error


def read_offset(request: Mapping[str, Any]) -> int:
    """How many results the pages before this one held."""
    token = request.get("NextToken")
    try:
        return 0 if token is None else pages.read_offset(token)
    except InvalidTokenError as error:
        raise invalid(f"Invalid NextToken: {error}") from error


def list_answer(name: str, summaries: Sequence[Mapping[str, Any]], page: Page) -> dict[str, Any]:
    """The output of a List operation."""
    return {name: summaries, **({"NextToken": page.next_token} if page.next_token else {})}


def _filters(request: Mapping[str, Any], table: Table) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    times = (("CreationTime", "created_at"), ("Created", "created_at"), ("LastModifiedTime", "modified_at"))
    for member, column in times:
        if (after := request.get(f"{member}After")) is not None:
            conditions.append(table.c[column] > after.timestamp())
        if (before := request.get(f"{member}Before")) is not None:
            conditions.append(table.c[column] < before.timestamp())
    if part := request.get("NameContains"):
        conditions.append(table.c.name.contains(part, autoescape=True))
    return conditions
