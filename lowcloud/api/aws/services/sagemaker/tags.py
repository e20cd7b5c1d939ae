"""Operations on the tags of SageMaker resources of every kind."""

from collections.abc import Mapping

from lowcloud.api.aws.arns import subject_of
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.errors import invalid
from lowcloud.api.aws.services.sagemaker.translation import read_tags
from lowcloud.core import resources, tags
from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.core.identity.access import Caller


@operation("sagemaker", "AddTags")
def add_tags(context: Context, _caller: Caller, request: Request) -> Answer:
    """Tags of the same key are replaced."""
    subject = _require(context, request["ResourceArn"])
    return {"Tags": _format(tags.add(context, subject, read_tags(request)))}


@operation("sagemaker", "ListTags")
def list_tags(context: Context, _caller: Caller, request: Request) -> Answer:
    """By key; NextToken is the last key of the page before."""
    found = _format(tags.of(context, _require(context, request["ResourceArn"])))
    rest = [tag for tag in found if tag["Key"] > request.get("NextToken", "")]
    page = rest[: request.get("MaxResults", 50)]
    return {"Tags": page, **({"NextToken": page[-1]["Key"]} if len(page) < len(rest) else {})}


@operation("sagemaker", "DeleteTags")
def delete_tags(context: Context, _caller: Caller, request: Request) -> Answer:
    """Keys that do not exist are not an error."""
    tags.delete(context, _require(context, request["ResourceArn"]), request["TagKeys"])
    return {}


def _require(context: Context, arn: str) -> str:
    """Return the subject of a resource that exists. Raises AwsError."""
    subject = subject_of(context, arn)
    prefix, _, name = subject.partition("/")
    kind = context.kinds.find(prefix)
    try:
        if kind is None or not kind.has_tags:
            raise NotFoundError(prefix, name)
        resources.find(context, kind, name)
    except NotFoundError as error:
        raise invalid(f"The resource {arn} does not exist.") from error
    return subject


def _format(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in values.items()]
