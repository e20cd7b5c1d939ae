"""Tags of SageMaker resources."""

from collections.abc import Callable, Mapping
from functools import partial

from lowcloud.api.aws.arns import subject_of
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.translation import invalid, read_tags
from lowcloud.core import tags
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError, NotFoundError
from lowcloud.core.identity.access import Caller
from lowcloud.core.jobs import jobs
from lowcloud.core.jobs.job_kind import JobKind
from lowcloud.core.jobs.processing import PROCESSING
from lowcloud.core.jobs.training import TRAINING
from lowcloud.core.serving import endpoints, models
from lowcloud.core.tracking import experiments, lineage, trial_components, trials
from lowcloud.core.tracking.lineage import Entity, EntityKind


def find_job(kind: JobKind, context: Context, name: str) -> jobs.Job:
    """A job by its name alone. Raises NotFoundError."""
    return jobs.find(context, kind, name)


def find_entity(kind: EntityKind, context: Context, name: str) -> Entity:
    """An artifact, an action or a context by its name alone. Raises NotFoundError."""
    return lineage.find(context, kind, name)


FIND: Mapping[str, Callable[[Context, str], object]] = {
    TRAINING.prefix: partial(find_job, TRAINING),
    PROCESSING.prefix: partial(find_job, PROCESSING),
    "model": models.find,
    "endpoint": endpoints.find,
    "endpoint-config": endpoints.find_configuration,
    "experiment": experiments.find,
    "experiment-trial": trials.find,
    "experiment-trial-component": trial_components.find,
    EntityKind.ARTIFACT: partial(find_entity, EntityKind.ARTIFACT),
    EntityKind.ACTION: partial(find_entity, EntityKind.ACTION),
    EntityKind.CONTEXT: partial(find_entity, EntityKind.CONTEXT),
}


@operation("sagemaker", "AddTags")
def add_tags(context: Context, _caller: Caller, request: Request) -> Answer:
    """Tags of the same key are replaced."""
    subject = _existing(context, request["ResourceArn"])
    with context.database.transaction() as connection:
        try:
            tags.put(connection, subject, read_tags(request))
        except InvalidError as error:
            raise invalid(str(error)) from error
        return {"Tags": _list(tags.of(connection, subject))}


@operation("sagemaker", "ListTags")
def list_tags(context: Context, _caller: Caller, request: Request) -> Answer:
    """By key; NextToken is the last key of the page before."""
    subject = _existing(context, request["ResourceArn"])
    with context.database.read() as connection:
        found = _list(tags.of(connection, subject))
    rest = [tag for tag in found if tag["Key"] > request.get("NextToken", "")]
    page = rest[: request.get("MaxResults", 50)]
    return {"Tags": page, **({"NextToken": page[-1]["Key"]} if len(page) < len(rest) else {})}


@operation("sagemaker", "DeleteTags")
def delete_tags(context: Context, _caller: Caller, request: Request) -> Answer:
    """Keys that are not there are no error."""
    subject = _existing(context, request["ResourceArn"])
    with context.database.transaction() as connection:
        tags.remove(connection, subject, request["TagKeys"])
    return {}


def _existing(context: Context, arn: str) -> str:
    subject = subject_of(context, arn)
    kind, _, name = subject.partition("/")
    try:
        if kind not in FIND:
            raise NotFoundError(kind, name)
        FIND[kind](context, name)
    except NotFoundError as error:
        raise invalid(f"The resource {arn} does not exist.") from error
    return subject


def _list(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in values.items()]
