"""Tags of SageMaker resources."""

from collections.abc import Callable, Mapping
from functools import partial

from lowcloud.aws.arns import subject_of
from lowcloud.aws.operations import Answer, Request, operation
from lowcloud.aws.sagemaker.translation import invalid, read_tags
from lowcloud.core import endpoints, experiments, jobs, lineage, models, tags, trial_components, trials
from lowcloud.core.access import Caller
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import Invalid, NotFound
from lowcloud.core.lineage import Entity, Kind


def find_job(kind: jobs.Kind, cloud: Cloud, name: str) -> jobs.Job:
    """A job by its name alone. Raises NotFound."""
    return jobs.find(cloud, kind, name)


def find_entity(kind: Kind, cloud: Cloud, name: str) -> Entity:
    """An artifact, an action or a context by its name alone. Raises NotFound."""
    return lineage.find(cloud, kind, name)


FIND: Mapping[str, Callable[[Cloud, str], object]] = {
    jobs.TRAINING.prefix: partial(find_job, jobs.TRAINING),
    jobs.PROCESSING.prefix: partial(find_job, jobs.PROCESSING),
    "model": models.find,
    "endpoint": endpoints.find,
    "endpoint-config": endpoints.find_configuration,
    "experiment": experiments.find,
    "experiment-trial": trials.find,
    "experiment-trial-component": trial_components.find,
    Kind.ARTIFACT: partial(find_entity, Kind.ARTIFACT),
    Kind.ACTION: partial(find_entity, Kind.ACTION),
    Kind.CONTEXT: partial(find_entity, Kind.CONTEXT),
}


@operation("sagemaker", "AddTags")
def add_tags(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Tags of the same key are replaced."""
    subject = _existing(cloud, request["ResourceArn"])
    with cloud.database.transaction() as connection:
        try:
            tags.put(connection, subject, read_tags(request))
        except Invalid as error:
            raise invalid(str(error)) from error
        return {"Tags": _list(tags.of(connection, subject))}


@operation("sagemaker", "ListTags")
def list_tags(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """By key; NextToken is the last key of the page before."""
    subject = _existing(cloud, request["ResourceArn"])
    with cloud.database.read() as connection:
        found = _list(tags.of(connection, subject))
    rest = [tag for tag in found if tag["Key"] > request.get("NextToken", "")]
    page = rest[: request.get("MaxResults", 50)]
    return {"Tags": page, **({"NextToken": page[-1]["Key"]} if len(page) < len(rest) else {})}


@operation("sagemaker", "DeleteTags")
def delete_tags(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Keys that are not there are no error."""
    subject = _existing(cloud, request["ResourceArn"])
    with cloud.database.transaction() as connection:
        tags.remove(connection, subject, request["TagKeys"])
    return {}


def _existing(cloud: Cloud, arn: str) -> str:
    subject = subject_of(cloud, arn)
    kind, _, name = subject.partition("/")
    try:
        if kind not in FIND:
            raise NotFound(kind, name)
        FIND[kind](cloud, name)
    except NotFound as error:
        raise invalid(f"The resource {arn} does not exist.") from error
    return subject


def _list(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in values.items()]
