"""The kinds of resources that can be searched, and the documents that describe their records."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from botocore.model import StructureShape

from lowcloud.api.aws.protocol.service_models import load_service
from lowcloud.api.aws.services.sagemaker.experiments import experiments as experiment_operations
from lowcloud.api.aws.services.sagemaker.experiments import trial_components as component_operations
from lowcloud.api.aws.services.sagemaker.experiments import trials as trial_operations
from lowcloud.api.aws.services.sagemaker.inference import endpoints as endpoint_operations
from lowcloud.api.aws.services.sagemaker.inference import models as model_operations
from lowcloud.api.aws.services.sagemaker.jobs import training_jobs as job_operations
from lowcloud.api.aws.services.sagemaker.translation import without_none
from lowcloud.core import events, tags
from lowcloud.core.context import Context
from lowcloud.core.jobs import training
from lowcloud.core.jobs.jobs import Job
from lowcloud.core.jobs.training import TRAINING
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.core.resources import Condition
from lowcloud.core.search import Document
from lowcloud.core.serving.endpoints import ENDPOINT
from lowcloud.core.serving.models import MODEL, Model
from lowcloud.core.tracking import trial_components, trial_members, trials
from lowcloud.core.tracking.experiments import EXPERIMENT
from lowcloud.core.tracking.trial_components import COMPONENT, TrialComponent
from lowcloud.core.tracking.trials import TRIAL

TIMES = {"creationtime": "created_at", "lastmodifiedtime": "modified_at"}

Members = Container[str]  # the lower-case names of the members of documents that are read
Documents = list[Mapping[str, Any]]


@dataclass(frozen=True)
class Resource:
    """One kind of resource that can be searched."""

    member: str  # of a result
    name: str  # the property that holds the name
    kind: ResourceKind[Any]
    describe: Callable[[Context, Members, Sequence[Any]], Documents]
    # What the database can check of a property's equality with a value, by the lower-case name of the property.
    conditions: Mapping[str, Callable[[str], Condition]] = field(default_factory=dict)

    @property
    def shape(self) -> StructureShape:
        return _shape(self.member)

    def fields(self) -> dict[str, str]:
        """Return the fields of records with properties, by the lower-case names of the properties."""
        times = {name: column for name, column in TIMES.items() if column in self.kind.fields}
        return {self.name.lower(): "name", **times}


def documents(context: Context, resource: Resource, members: Members, records: Sequence[Any]) -> list[Document]:
    """Return the descriptions of records with their tags: at least the members that are read."""
    subjects = [resource.kind.subject(record.name) for record in records]
    found = tags.of_many(context, subjects) if "tags" in members else {}
    described = resource.describe(context, members, records)
    return [
        without_none({**document, "Tags": _format_tags(found[subject]) if subject in found else None})
        for subject, document in zip(subjects, described, strict=True)
    ]


def _format_tags(found: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in found.items()]


def _describe_each(
    describe: Callable[[Context, Any], Mapping[str, Any]],
) -> Callable[[Context, Members, Sequence[Any]], Documents]:
    """Return a description of several records for kinds whose records hold everything."""
    return lambda context, _members, records: [describe(context, record) for record in records]


def _describe_components(context: Context, members: Members, records: Sequence[TrialComponent]) -> Documents:
    statistics = trial_components.statistics_of(context, records) if "metrics" in members else {}
    parents = trial_members.parents_of(context, [one.name for one in records]) if "parents" in members else {}
    return [
        {
            **component_operations.describe(context, one, statistics.get(one.name, ())),
            "Parents": [
                {"TrialName": parent.trial, "ExperimentName": parent.experiment} for parent in parents.get(one.name, ())
            ],
            "RunName": one.run,
        }
        for one in records
    ]


def _describe_training_jobs(context: Context, members: Members, jobs: Sequence[Job]) -> Documents:
    with_history = "secondarystatustransitions" in members
    histories = events.of_many(context, [job.subject for job in jobs]) if with_history else {}
    with_metrics = "metrics" in members or "finalmetricdatalist" in members
    finals = training.final_metrics(context, [job.name for job in jobs]) if with_metrics else {}
    return [
        job_operations.describe(context, job, histories.get(job.subject, []), finals.get(job.name, {})) for job in jobs
    ]


def _describe_model(context: Context, model: Model) -> dict[str, Any]:
    return {"Model": model_operations.describe(context, model)}


@cache
def _shape(member: str) -> StructureShape:
    service = load_service("sagemaker")
    assert service is not None
    record = service.operation("Search").output_shape.members["Results"].member.members[member]
    assert isinstance(record, StructureShape)
    return record


RESOURCES = {
    "Experiment": Resource(
        "Experiment",
        "ExperimentName",
        EXPERIMENT,
        _describe_each(experiment_operations.describe),
    ),
    "ExperimentTrial": Resource(
        "Trial",
        "TrialName",
        TRIAL,
        _describe_each(trial_operations.describe),
        {"experimentname": trials.is_of_experiment},
    ),
    "ExperimentTrialComponent": Resource(
        "TrialComponent",
        "TrialComponentName",
        COMPONENT,
        _describe_components,
        {
            "parents.trialname": trial_members.is_in_trial,
            "parents.experimentname": trial_members.is_in_experiment,
            "source.sourcearn": lambda arn: trial_components.has_source(arn.rpartition(":")[2]),
        },
    ),
    "TrainingJob": Resource(
        "TrainingJob",
        "TrainingJobName",
        TRAINING,
        _describe_training_jobs,
    ),
    "Endpoint": Resource(
        "Endpoint",
        "EndpointName",
        ENDPOINT,
        _describe_each(endpoint_operations.describe),
    ),
    "Model": Resource(
        "Model",
        "Model.ModelName",
        MODEL,
        _describe_each(_describe_model),
    ),
}
