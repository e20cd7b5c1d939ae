"""Operations on the tags of SageMaker resources of every kind."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lowcloud.api.aws.access.permissions import on
from lowcloud.api.aws.arns import subject_of
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.errors import invalid
from lowcloud.api.aws.services.sagemaker.translation import read_tags
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.core.identity.callers import Caller
from lowcloud.core.resource_kind import ResourceKind


@operation("sagemaker", "AddTags", on("{ResourceArn}"))
def add_tags(context: Context, _caller: Caller, request: Request) -> Answer:
    """Tags of the same key are replaced."""
    with _resource(context, request["ResourceArn"]) as (kind, name):
        return {"Tags": _format(resources.add_tags(context, kind, name, read_tags(request)))}


@operation("sagemaker", "ListTags", on("{ResourceArn}"))
def list_tags(context: Context, _caller: Caller, request: Request) -> Answer:
    """By key; NextToken is the last key of the page before."""
    with _resource(context, request["ResourceArn"]) as (kind, name):
        found = _format(resources.tags_of(context, kind, name))
    rest = [tag for tag in found if tag["Key"] > request.get("NextToken", "")]
    page = rest[: request.get("MaxResults", 50)]
    return {"Tags": page, **({"NextToken": page[-1]["Key"]} if len(page) < len(rest) else {})}


@operation("sagemaker", "DeleteTags", on("{ResourceArn}"))
def delete_tags(context: Context, _caller: Caller, request: Request) -> Answer:
    """Keys that do not exist are not an error."""
    with _resource(context, request["ResourceArn"]) as (kind, name):
        resources.delete_tags(context, kind, name, request["TagKeys"])
    return {}


@contextmanager
def _resource(context: Context, arn: str) -> Iterator[tuple[ResourceKind[Any], str]]:
    """Yield the kind and name in an ARN, and translate NotFoundError. Raises AwsError."""
    prefix, _, name = subject_of(context, arn).partition("/")
    kind = context.kinds.find(prefix)
    try:
        if kind is None or not kind.has_tags:
            raise NotFoundError(prefix, name)
        yield kind, name
    except NotFoundError as error:
        raise invalid(f"The resource {arn} does not exist.") from error


def _format(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in values.items()]
