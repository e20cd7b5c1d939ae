"""Operations on trial components."""

from collections.abc import Mapping, Sequence
from typing import Any

from lowcloud.api.aws.access.permissions import creates, on, on_any
from lowcloud.api.aws.arns import of_sagemaker
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.errors import invalid, tracking_errors
from lowcloud.api.aws.services.sagemaker.lists import list_answer
from lowcloud.api.aws.services.sagemaker.sources import format_metadata, read_metadata, read_source, source_types
from lowcloud.api.aws.services.sagemaker.translation import arn_of, name_of, read_tags, time, times, without_none
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.telemetry.metrics import Statistics
from lowcloud.core.tracking import trial_components, trial_members
from lowcloud.core.tracking.lineage import SUBJECT_SCHEME
from lowcloud.core.tracking.trial_components import COMPONENT, Artifact, Changes, TrialComponent

SIDES = {"InputArtifacts": "inputs", "OutputArtifacts": "outputs"}


@operation(
    "sagemaker",
    "CreateTrialComponent",
    creates("experiment-trial-component/{TrialComponentName}"),
)
def create_trial_component(context: Context, _caller: Caller, request: Request) -> Answer:
    """Users create components for stages of their work; those of jobs are created with the jobs."""
    now = context.now()
    columns = {**_values(request), **_mappings(request)}
    component = TrialComponent(request["TrialComponentName"], now, now, metadata=read_metadata(request), **columns)
    with tracking_errors():
        trial_components.create(context, component, read_tags(request))
    return _arn_member(context, component.name)


@operation("sagemaker", "DescribeTrialComponent", on("experiment-trial-component/{TrialComponentName}"))
def describe_trial_component(context: Context, _caller: Caller, request: Request) -> Answer:
    """With the statistics of its metrics."""
    with tracking_errors():
        component = resources.find(context, COMPONENT, name_of(context, request["TrialComponentName"]))
    statistics = trial_components.statistics_of(context, [component])[component.name]
    sources = [_source(context, subject) for subject in trial_components.sources_of(context, component)]
    return {**describe(context, component, statistics), "Sources": sources or None}


@operation("sagemaker", "ListTrialComponents", on_any())
def list_trial_components(context: Context, _caller: Caller, request: Request) -> Answer:
    """Those of an experiment, a trial or a job if requested, newest first by default."""
    if "ExperimentName" in request and ("SourceArn" in request or "TrialName" in request):
        raise invalid("With ExperimentName neither SourceArn nor TrialName can be given.")
    arn = request.get("SourceArn")
    source = arn and read_source(context, arn.lower()).removeprefix(SUBJECT_SCHEME)
    with tracking_errors():
        where = trial_members.component_conditions(
            context, request.get("ExperimentName"), request.get("TrialName"), source
        )
        return list_answer(context, request, "TrialComponentSummaries", COMPONENT, _summarize, where)


@operation("sagemaker", "UpdateTrialComponent", on("experiment-trial-component/{TrialComponentName}"))
def update_trial_component(context: Context, _caller: Caller, request: Request) -> Answer:
    """Parameters and artifacts are added to the existing ones, or replace those of the same name."""
    dropped = {"parameters": request.get("ParametersToRemove", ())}
    dropped |= {column: request.get(f"{member}ToRemove", ()) for member, column in SIDES.items()}
    changes = Changes(_values(request), _mappings(request), dropped)
    with tracking_errors():
        component = trial_components.change(context, request["TrialComponentName"], changes)
    return _arn_member(context, component.name)


@operation("sagemaker", "DeleteTrialComponent", on("experiment-trial-component/{TrialComponentName}"))
def delete_trial_component(context: Context, _caller: Caller, request: Request) -> Answer:
    """It must be disassociated from all trials before; its metrics and associations are deleted with it."""
    with tracking_errors():
        return _arn_member(context, trial_components.delete(context, request["TrialComponentName"]).name)


def describe(context: Context, component: TrialComponent, metrics: Sequence[Statistics]) -> dict[str, Any]:
    """Return a component as Describe and Search do."""
    source = _source(context, component.source) if component.source else None
    return {
        **_head(context, component),
        "Source": source,
        "Parameters": {name: _format_parameter(value) for name, value in component.parameters.items()},
        "InputArtifacts": {name: _format_artifact(value) for name, value in component.inputs.items()},
        "OutputArtifacts": {name: _format_artifact(value) for name, value in component.outputs.items()},
        "MetadataProperties": format_metadata(component.metadata),
        "Metrics": [_format_metric(context, component, statistics) for statistics in metrics],
    }


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


def _format_parameter(value: str | float) -> dict[str, str | float]:
    return {"StringValue": value} if isinstance(value, str) else {"NumberValue": float(value)}


def _format_artifact(artifact: Artifact) -> dict[str, str]:
    return {"Value": artifact.value, **({"MediaType": artifact.media_type} if artifact.media_type else {})}


def _format_metric(context: Context, component: TrialComponent, statistics: Statistics) -> dict[str, Any]:
    return {
        "MetricName": statistics.name,
        "SourceArn": of_sagemaker(context, component.source or COMPONENT.subject(component.name)),
        "TimeStamp": time(statistics.last_at),
        "Max": statistics.maximum,
        "Min": statistics.minimum,
        "Last": statistics.last,
        "Count": statistics.count,
        "Avg": statistics.mean,
        "StdDev": statistics.deviation,
    }


def _summarize(context: Context, component: TrialComponent) -> dict[str, Any]:
    source = _source(context, component.source) if component.source else None
    return {**_head(context, component), "TrialComponentSource": source}


def _head(context: Context, component: TrialComponent) -> dict[str, Any]:
    status = {"PrimaryStatus": component.status, "Message": component.message} if component.status else None
    return {
        "TrialComponentName": component.name,
        **_arn_member(context, component.name),
        "DisplayName": component.display_name or component.name,
        "Status": status,
        "StartTime": time(component.started_at) if component.started_at is not None else None,
        "EndTime": time(component.ended_at) if component.ended_at is not None else None,
        **times(component),
    }


def _source(context: Context, subject: str) -> dict[str, str]:
    source_type = source_types(context).get(subject.partition("/")[0])
    return without_none({"SourceArn": of_sagemaker(context, subject), "SourceType": source_type})


def _arn_member(context: Context, name: str) -> dict[str, str]:
    return {"TrialComponentArn": arn_of(context, COMPONENT, name)}
