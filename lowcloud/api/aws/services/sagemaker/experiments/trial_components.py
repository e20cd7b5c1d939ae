"""Trial components in SageMaker's words."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, select

from lowcloud.api.aws.arns import of_sagemaker
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.experiments.experiments import SORT_COLUMNS
from lowcloud.api.aws.services.sagemaker.tracked import (
    in_their_words,
    name_of,
    read_metadata,
    show_metadata,
    source_of,
    times,
    without_none,
)
from lowcloud.api.aws.services.sagemaker.translation import invalid, list_answer, read_list, read_tags, time
from lowcloud.core.context import Context
from lowcloud.core.identity.access import Caller
from lowcloud.core.telemetry.metrics import Statistics
from lowcloud.core.tracking import experiments, trial_components, trials
from lowcloud.core.tracking.lineage import OWN
from lowcloud.core.tracking.trial_components import Artifact, Changes, TrialComponent
from lowcloud.store.db import tables
from lowcloud.store.db.tables import trial_members

SOURCE_TYPES = {
    "training-job": "SageMakerTrainingJob",
    "processing-job": "SageMakerProcessingJob",
    "transform-job": "SageMakerTransformJob",
}
SIDES = {"InputArtifacts": "inputs", "OutputArtifacts": "outputs"}


@operation("sagemaker", "CreateTrialComponent")
def create_trial_component(context: Context, _caller: Caller, request: Request) -> Answer:
    """A stage of somebody's work; jobs have theirs by themselves."""
    now = context.now()
    columns = {**_values(request), **_mappings(request)}
    component = TrialComponent(request["TrialComponentName"], now, now, metadata=read_metadata(request), **columns)
    with in_their_words():
        trial_components.create(context, component, read_tags(request))
    return {"TrialComponentArn": _arn(context, component.name)}


@operation("sagemaker", "DescribeTrialComponent")
def describe_trial_component(context: Context, _caller: Caller, request: Request) -> Answer:
    """The component as it stands, with what its metrics come to."""
    with in_their_words():
        component = trial_components.find(context, name_of(context, request["TrialComponentName"]))
    with context.database.read() as connection:
        measured = trial_components.statistics_of(connection, [component])[component.name]
        jobs = trial_components.sources_of_run(connection, component.name)
    sources = [_source(context, job) for job in ([component.source] if component.source else jobs)]
    return {**describe(context, component, measured), "Sources": sources or None}


@operation("sagemaker", "ListTrialComponents")
def list_trial_components(context: Context, _caller: Caller, request: Request) -> Answer:
    """Of an experiment, of a trial, or of a job, newest first unless asked otherwise."""
    with in_their_words():
        where = _where(context, request)
    page = read_list(context, request, tables.trial_components, SORT_COLUMNS, where)
    found = [trial_components.from_row(row) for row in page.rows]
    return list_answer("TrialComponentSummaries", [_summary(context, component) for component in found], page)


@operation("sagemaker", "UpdateTrialComponent")
def update_trial_component(context: Context, _caller: Caller, request: Request) -> Answer:
    """Parameters and artifacts are added to those that are there, or replace those of their names."""
    dropped = {"parameters": request.get("ParametersToRemove", ())}
    dropped |= {column: request.get(f"{member}ToRemove", ()) for member, column in SIDES.items()}
    changes = Changes(_values(request), _mappings(request), dropped)
    with in_their_words():
        component = trial_components.change(context, request["TrialComponentName"], changes)
    return {"TrialComponentArn": _arn(context, component.name)}


@operation("sagemaker", "DeleteTrialComponent")
def delete_trial_component(context: Context, _caller: Caller, request: Request) -> Answer:
    """It must be disassociated from all trials before; its metrics and associations go with it."""
    with in_their_words():
        return {
            "TrialComponentArn": _arn(context, trial_components.remove(context, request["TrialComponentName"]).name)
        }


def describe(context: Context, component: TrialComponent, measured: Sequence[Statistics]) -> dict[str, Any]:
    """A component as Describe and Search tell it."""
    source = _source(context, component.source) if component.source else None
    return {
        **_head(context, component),
        "Source": source,
        "Parameters": {name: _show_parameter(value) for name, value in component.parameters.items()},
        "InputArtifacts": {name: _show_artifact(value) for name, value in component.inputs.items()},
        "OutputArtifacts": {name: _show_artifact(value) for name, value in component.outputs.items()},
        "MetadataProperties": show_metadata(component.metadata),
        "Metrics": [_show_metric(context, component, statistics) for statistics in measured],
    }


def _where(context: Context, request: Request) -> list[ColumnElement[bool]]:
    table = tables.trial_components
    if "ExperimentName" in request and ("SourceArn" in request or "TrialName" in request):
        raise invalid("With ExperimentName neither SourceArn nor TrialName can be given.")
    where: list[ColumnElement[bool]] = []
    if name := request.get("ExperimentName"):
        its_trials = tables.trials.c.experiment == experiments.find(context, name).name
        members = select(trial_members.c.component).join(tables.trials).where(its_trials)
        where.append(table.c.name.in_(members))
    if name := request.get("TrialName"):
        of_trial = trial_members.c.trial == trials.find(context, name).name
        where.append(table.c.name.in_(select(trial_members.c.component).where(of_trial)))
    if arn := request.get("SourceArn"):
        where.append(func.lower(table.c.source) == source_of(context, arn.lower()).removeprefix(OWN))
    return where


def _values(request: Request) -> dict[str, Any]:
    status = request.get("Status", {})
    values = {
        "display_name": request.get("DisplayName"),
        "status": status.get("PrimaryStatus"),
        "message": status.get("Message", "") if status else None,
        "started_at": request["StartTime"].timestamp() if "StartTime" in request else None,
        "ended_at": request["EndTime"].timestamp() if "EndTime" in request else None,
    }
    return without_none(values)


def _mappings(request: Request) -> dict[str, dict[str, Any]]:
    artifacts = {
        column: {name: Artifact(value["Value"], value.get("MediaType")) for name, value in request[member].items()}
        for member, column in SIDES.items()
        if member in request
    }
    if "Parameters" not in request:
        return artifacts
    return {**artifacts, "parameters": {name: _parameter(name, value) for name, value in request["Parameters"].items()}}


def _parameter(name: str, value: Mapping[str, str | float]) -> str | float:
    if len(value) != 1:
        raise invalid(f"The parameter {name!r} needs either a StringValue or a NumberValue.")
    return float(value["NumberValue"]) if "NumberValue" in value else value["StringValue"]


def _show_parameter(value: str | float) -> dict[str, str | float]:
    return {"StringValue": value} if isinstance(value, str) else {"NumberValue": float(value)}


def _show_artifact(artifact: Artifact) -> dict[str, str]:
    return {"Value": artifact.value, **({"MediaType": artifact.media_type} if artifact.media_type else {})}


def _show_metric(context: Context, component: TrialComponent, measured: Statistics) -> dict[str, Any]:
    return {
        "MetricName": measured.name,
        "SourceArn": of_sagemaker(context, component.source or trial_components.subject(component.name)),
        "TimeStamp": time(measured.last_at),
        "Max": measured.maximum,
        "Min": measured.minimum,
        "Last": measured.last,
        "Count": measured.count,
        "Avg": measured.mean,
        "StdDev": measured.deviation,
    }


def _summary(context: Context, component: TrialComponent) -> dict[str, Any]:
    source = _source(context, component.source) if component.source else None
    return {**_head(context, component), "TrialComponentSource": source}


def _head(context: Context, component: TrialComponent) -> dict[str, Any]:
    status = {"PrimaryStatus": component.status, "Message": component.message} if component.status else None
    return {
        "TrialComponentName": component.name,
        "TrialComponentArn": _arn(context, component.name),
        "DisplayName": component.display_name or component.name,
        "Status": status,
        "StartTime": time(component.started_at) if component.started_at is not None else None,
        "EndTime": time(component.ended_at) if component.ended_at is not None else None,
        **times(component),
    }


def _source(context: Context, subject: str) -> dict[str, str]:
    kind = SOURCE_TYPES.get(subject.partition("/")[0])
    return {"SourceArn": of_sagemaker(context, subject), **({"SourceType": kind} if kind else {})}


def _arn(context: Context, name: str) -> str:
    return of_sagemaker(context, trial_components.subject(name))
