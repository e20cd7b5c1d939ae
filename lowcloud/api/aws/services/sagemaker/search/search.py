"""Search in SageMaker's words: which records there are to look through, and what they say of themselves."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from botocore.model import Shape, StructureShape
from sqlalchemy import Column, ColumnElement, Connection, Row, Table, func, select

from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.protocol.service_models import load_service
from lowcloud.api.aws.services.sagemaker.experiments import experiments as experiment_words
from lowcloud.api.aws.services.sagemaker.experiments import trial_components as component_words
from lowcloud.api.aws.services.sagemaker.experiments import trials as trial_words
from lowcloud.api.aws.services.sagemaker.inference import endpoints as endpoint_words
from lowcloud.api.aws.services.sagemaker.inference import models as model_words
from lowcloud.api.aws.services.sagemaker.jobs import training_jobs as job_words
from lowcloud.api.aws.services.sagemaker.search.properties import elements, reader, says_numbers
from lowcloud.api.aws.services.sagemaker.tracked import without_none
from lowcloud.api.aws.services.sagemaker.translation import invalid
from lowcloud.core import events, tags
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError
from lowcloud.core.identity.access import Caller
from lowcloud.core.jobs import jobs
from lowcloud.core.jobs.training import TRAINING
from lowcloud.core.search import Document, Expression, Filter, Nested, Operator, Search, Sort, parse_time
from lowcloud.core.serving import endpoints, models
from lowcloud.core.telemetry import metrics
from lowcloud.core.tracking import experiments, trial_components, trials
from lowcloud.store.db import tables
from lowcloud.store.db.pages import InvalidTokenError

PAGE_SIZE = 100
MOST_CONDITIONS = 50
TIMES = {"creationtime": "created_at", "lastmodifiedtime": "modified_at"}

Members = Container[str]  # the names, in lower case, of the members of documents that are looked at
Documents = Callable[[Context, Members, Connection, Sequence[Row[Any]]], list[Document]]


@dataclass(frozen=True)
class Resource:
    """One kind of records that can be searched."""

    member: str  # of a result
    table: Table
    name: str  # the property that holds the name
    documents: Documents
    # What the database itself can say of a property's equality with a value; the names in lower case.
    equalities: Mapping[str, Callable[[str], ColumnElement[bool]]] = field(default_factory=dict)

    @property
    def shape(self) -> StructureShape:
        return _shape(self.member)

    def columns(self) -> dict[str, Column[Any]]:
        """The columns that hold what properties say, by their names in lower case."""
        found = {name: column for name, column in TIMES.items() if column in self.table.c}
        return {self.name.lower(): self.table.c.name, **{name: self.table.c[found[name]] for name in found}}


@operation(
    "sagemaker",
    "Search",
    refused=(
        "CrossAccountFilterOption=CrossAccount",
        "VisibilityConditions",
        *(f"Resource={name}" for name in (
            "ModelPackage", "ModelPackageGroup", "Pipeline", "PipelineExecution", "FeatureGroup", "FeatureMetadata",
            "Image", "ImageVersion", "Project", "HyperParameterTuningJob", "ModelCard", "PipelineVersion", "Job",
            "HubContent",
        )),
    ),
)  # fmt: skip
def search(context: Context, _caller: Caller, request: Request) -> Answer:
    """Those last changed first unless asked otherwise."""
    resource = RESOURCES[request["Resource"]]
    said = request.get("SearchExpression", {})
    if _count(said) > MOST_CONDITIONS:
        raise invalid(f"A SearchExpression can have at most {MOST_CONDITIONS} filters and expressions.")
    try:
        look = Search(
            resource.table,
            partial(resource.documents, context, _All()),
            partial(resource.documents, context, _mentioned(said) | {_first(request.get("SortBy", ""))}),
            _expression(resource.shape, said),
            tuple(_where(resource, said)),
        )
        size, token = request.get("MaxResults", PAGE_SIZE), request.get("NextToken")
        found = look.page(context, _sort(resource, request), size, token)
    except InvalidTokenError as error:
        raise invalid(f"Invalid NextToken: {error}") from error
    except InvalidError as error:
        raise invalid(str(error)) from error
    results = [{resource.member: document} for document in found.documents]
    return {"Results": results, **({"NextToken": found.next_token} if found.next_token else {})}


class _All(Container[str]):
    def __contains__(self, _member: object) -> bool:
        return True


def _first(name: str) -> str:
    return name.partition(".")[0].lower()


def _mentioned(said: Mapping[str, Any]) -> set[str]:
    """The members that an expression reads."""
    names = {_first(one["Name"]) for one in said.get("Filters", ())}
    names |= {_first(one["NestedPropertyName"]) for one in said.get("NestedFilters", ())}
    return names.union(*(_mentioned(one) for one in said.get("SubExpressions", ())))


def _expression(shape: Shape, said: Mapping[str, Any]) -> Expression:
    conditions: tuple[Filter | Nested | Expression, ...] = (
        *(_filter(shape, one, one["Name"]) for one in said.get("Filters", ())),
        *(_nested(shape, one) for one in said.get("NestedFilters", ())),
        *(_expression(shape, one) for one in said.get("SubExpressions", ())),
    )
    return Expression(conditions, needs_all=said.get("Operator", "And") == "And")


def _filter(shape: Shape, said: Mapping[str, str], name: str) -> Filter:
    value = said.get("Value")
    operator = Operator(said.get("Operator") or ("Exists" if value is None else "Equals"))
    if value is None and operator not in (Operator.EXISTS, Operator.NOT_EXISTS):
        raise invalid(f"The filter on {said['Name']} needs a Value for {operator}.")
    return Filter(said["Name"], operator, value or "", reader(shape, name), says_numbers(said["Name"]))


def _nested(shape: Shape, said: Mapping[str, Any]) -> Nested:
    prefix = said["NestedPropertyName"]
    element, read = elements(shape, prefix)
    filters = []
    for one in said["Filters"]:
        is_whole = one["Name"].lower().startswith(f"{prefix.lower()}.")
        filters.append(_filter(element, one, one["Name"][len(prefix) + 1 :] if is_whole else one["Name"]))
    return Nested(read, tuple(filters))


def _count(said: Mapping[str, Any]) -> int:
    nested = sum(1 + len(one["Filters"]) for one in said.get("NestedFilters", ()))
    return len(said.get("Filters", ())) + nested + sum(1 + _count(one) for one in said.get("SubExpressions", ()))


def _where(resource: Resource, said: Mapping[str, Any]) -> list[ColumnElement[bool]]:
    """What the database can leave out at once; the rest of the expression is looked at record by record."""
    if said.get("Operator", "And") != "And":
        return []
    conditions = [_condition(resource, one) for one in said.get("Filters", ())]
    deeper = [one for sub in said.get("SubExpressions", ()) for one in _where(resource, sub)]
    return [one for one in conditions if one is not None] + deeper


def _condition(resource: Resource, said: Mapping[str, str]) -> ColumnElement[bool] | None:
    name, value = said["Name"].lower(), said.get("Value")
    column = resource.columns().get(name)
    operator = said.get("Operator", Operator.EQUALS)
    if value is None:
        return None
    if operator == Operator.EQUALS and name in resource.equalities:
        return resource.equalities[name](value)
    if operator == Operator.EQUALS and name == f"{resource.name.lower().removesuffix('name')}arn":
        return resource.table.c.name == value.rpartition("/")[2]
    if column is None:
        return None
    if name in TIMES:
        at = parse_time(said["Name"], value).timestamp()
        return {
            Operator.GREATER: column > at - 1,
            Operator.GREATER_OR_EQUAL: column >= at - 1,
            Operator.LESS: column < at + 1,
            Operator.LESS_OR_EQUAL: column <= at + 1,
        }.get(Operator(operator))
    return {
        Operator.EQUALS: column == value,
        Operator.CONTAINS: column.contains(value, autoescape=True),
        Operator.IN: column.in_(value.split(",")),
    }.get(Operator(operator))


def _sort(resource: Resource, request: Request) -> Sort:
    columns = resource.columns()
    name = request.get("SortBy") or ("LastModifiedTime" if "lastmodifiedtime" in columns else "CreationTime")
    is_descending = request.get("SortOrder", "Descending") == "Descending"
    if name.lower() in columns:
        return Sort(columns[name.lower()].name, is_descending)
    return Sort(reader(resource.shape, name), is_descending)


@cache
def _shape(member: str) -> StructureShape:
    service = load_service("sagemaker")
    assert service is not None
    record = service.operation("Search").output_shape.members["Results"].member.members[member]
    assert isinstance(record, StructureShape)
    return record


def _with_tags(
    connection: Connection, members: Members, subjects: Sequence[str], documents: Sequence[Mapping[str, Any]]
) -> list[Document]:
    found = tags.of_many(connection, subjects) if "tags" in members else {}
    return [
        without_none({**document, "Tags": [{"Key": key, "Value": value} for key, value in found[subject].items()]})
        if subject in found
        else without_none(document)
        for subject, document in zip(subjects, documents, strict=True)
    ]


def _experiments(
    context: Context, members: Members, connection: Connection, rows: Sequence[Row[Any]]
) -> list[Document]:
    found = [experiment_words.describe(context, experiments.from_row(row)) for row in rows]
    return _with_tags(connection, members, [experiments.subject(row.name) for row in rows], found)


def _trials(context: Context, members: Members, connection: Connection, rows: Sequence[Row[Any]]) -> list[Document]:
    found = [trial_words.describe(context, trials.from_row(row)) for row in rows]
    return _with_tags(connection, members, [trials.subject(row.name) for row in rows], found)


def _trial_components(
    context: Context, members: Members, connection: Connection, rows: Sequence[Row[Any]]
) -> list[Document]:
    components = [trial_components.from_row(row) for row in rows]
    measured = trial_components.statistics_of(connection, components) if "metrics" in members else {}
    parents = trials.parents_of(connection, [one.name for one in components]) if "parents" in members else {}
    found = [
        {
            **component_words.describe(context, one, measured.get(one.name, ())),
            "Parents": [
                {"TrialName": parent.trial, "ExperimentName": parent.experiment} for parent in parents.get(one.name, ())
            ],
            "RunName": one.run,
        }
        for one in components
    ]
    return _with_tags(connection, members, [trial_components.subject(one.name) for one in components], found)


def _training_jobs(
    context: Context, members: Members, connection: Connection, rows: Sequence[Row[Any]]
) -> list[Document]:
    found = [jobs.from_row(TRAINING, row) for row in rows]
    is_told = "secondarystatustransitions" in members
    histories = events.of_many(connection, [job.subject for job in found]) if is_told else {}
    is_measured = "metrics" in members or "finalmetricdatalist" in members
    finals = metrics.final_values_of(connection, [job.name for job in found]) if is_measured else {}
    described = [
        job_words.describe(context, job, histories.get(job.subject, []), finals.get(job.name, {})) for job in found
    ]
    return _with_tags(connection, members, [job.subject for job in found], described)


def _endpoints(context: Context, members: Members, connection: Connection, rows: Sequence[Row[Any]]) -> list[Document]:
    found = [endpoint_words.describe(context, endpoints.from_row(row)) for row in rows]
    return _with_tags(connection, members, [endpoints.subject(row.name) for row in rows], found)


def _models(context: Context, members: Members, connection: Connection, rows: Sequence[Row[Any]]) -> list[Document]:
    found = [{"Model": model_words.describe(context, models.from_row(row))} for row in rows]
    return _with_tags(connection, members, [models.subject(row.name) for row in rows], found)


def _in_trial(name: str) -> ColumnElement[bool]:
    of_it = select(tables.trial_members.c.component).where(tables.trial_members.c.trial == name)
    return tables.trial_components.c.name.in_(of_it)


def _in_experiment(name: str) -> ColumnElement[bool]:
    members = select(tables.trial_members.c.component).join(tables.trials)
    of_it = members.where(tables.trials.c.experiment == name)
    return tables.trial_components.c.name.in_(of_it)


def _of_job(arn: str) -> ColumnElement[bool]:
    return func.lower(tables.trial_components.c.source) == arn.rpartition(":")[2].lower()


RESOURCES = {
    "Experiment": Resource("Experiment", tables.experiments, "ExperimentName", _experiments),
    "ExperimentTrial": Resource(
        "Trial",
        tables.trials,
        "TrialName",
        _trials,
        {"experimentname": lambda name: tables.trials.c.experiment == name},
    ),
    "ExperimentTrialComponent": Resource(
        "TrialComponent",
        tables.trial_components,
        "TrialComponentName",
        _trial_components,
        {"parents.trialname": _in_trial, "parents.experimentname": _in_experiment, "source.sourcearn": _of_job},
    ),
    "TrainingJob": Resource("TrainingJob", tables.training_jobs, "TrainingJobName", _training_jobs),
    "Endpoint": Resource("Endpoint", tables.endpoints, "EndpointName", _endpoints),
    "Model": Resource("Model", tables.models, "Model.ModelName", _models),
}
