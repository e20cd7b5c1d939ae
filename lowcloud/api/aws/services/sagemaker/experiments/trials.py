"""Operations on trials, and on which components belong to them."""

from typing import Any

from lowcloud.api.aws.access.permissions import creates, on, on_any
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.errors import tracking_errors
from lowcloud.api.aws.services.sagemaker.lists import list_answer
from lowcloud.api.aws.services.sagemaker.sources import format_metadata, read_metadata
from lowcloud.api.aws.services.sagemaker.translation import arn_of, read_tags, times
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.tracking import trial_members, trials
from lowcloud.core.tracking.trial_components import COMPONENT
from lowcloud.core.tracking.trials import TRIAL, Trial


@operation(
    "sagemaker",
    "CreateTrial",
    creates("experiment-trial/{TrialName}", on("experiment/{ExperimentName}")),
)
def create_trial(context: Context, _caller: Caller, request: Request) -> Answer:
    """Its experiment must exist."""
    now = context.now()
    trial = Trial(
        name=request["TrialName"],
        experiment=request["ExperimentName"],
        created_at=now,
        modified_at=now,
        display_name=request.get("DisplayName"),
        metadata=read_metadata(request),
    )
    with tracking_errors():
        trials.create(context, trial, read_tags(request))
    return _arn_member(context, trial.name)


@operation("sagemaker", "DescribeTrial", on("experiment-trial/{TrialName}"))
def describe_trial(context: Context, _caller: Caller, request: Request) -> Answer:
    """The name is found regardless of case."""
    with tracking_errors():
        return describe(context, resources.find(context, TRIAL, request["TrialName"]))


@operation("sagemaker", "ListTrials", on_any())
def list_trials(context: Context, _caller: Caller, request: Request) -> Answer:
    """Those of an experiment or with a component if requested, newest first by default."""
    with tracking_errors():
        where = trial_members.trial_conditions(
            context, request.get("ExperimentName"), request.get("TrialComponentName")
        )
        return list_answer(context, request, "TrialSummaries", TRIAL, _summarize, where)


@operation("sagemaker", "UpdateTrial", on("experiment-trial/{TrialName}"))
def update_trial(context: Context, _caller: Caller, request: Request) -> Answer:
    """Only the display name can be changed."""
    values = {"display_name": request["DisplayName"]} if "DisplayName" in request else {}
    with tracking_errors():
        return _arn_member(context, resources.change(context, TRIAL, request["TrialName"], values).name)


@operation("sagemaker", "DeleteTrial", on("experiment-trial/{TrialName}"))
def delete_trial(context: Context, _caller: Caller, request: Request) -> Answer:
    """Its components must be disassociated before."""
    with tracking_errors():
        return _arn_member(context, trials.delete(context, request["TrialName"]).name)


@operation(
    "sagemaker",
    "AssociateTrialComponent",
    on("experiment-trial-component/{TrialComponentName}", "experiment-trial/{TrialName}"),
)
def associate_trial_component(context: Context, _caller: Caller, request: Request) -> Answer:
    """A component may belong to several trials; that it belongs to this one already is not an error."""
    with tracking_errors():
        trial_members.add(context, request["TrialName"], request["TrialComponentName"])
    return _both_arns(context, request)


@operation(
    "sagemaker",
    "DisassociateTrialComponent",
    on("experiment-trial-component/{TrialComponentName}", "experiment-trial/{TrialName}"),
)
def disassociate_trial_component(context: Context, _caller: Caller, request: Request) -> Answer:
    """The component itself remains."""
    with tracking_errors():
        trial_members.remove(context, request["TrialName"], request["TrialComponentName"])
    return _both_arns(context, request)


def describe(context: Context, trial: Trial) -> dict[str, Any]:
    """Return a trial as Describe and Search do."""
    return {
        **_summarize(context, trial),
        "ExperimentName": trial.experiment,
        "MetadataProperties": format_metadata(trial.metadata),
    }


def _summarize(context: Context, trial: Trial) -> dict[str, Any]:
    return {
        "TrialName": trial.name,
        **_arn_member(context, trial.name),
        "DisplayName": trial.display_name or trial.name,
        **times(trial),
    }


def _both_arns(context: Context, request: Request) -> dict[str, str]:
    component = arn_of(context, COMPONENT, request["TrialComponentName"])
    return {**_arn_member(context, request["TrialName"]), "TrialComponentArn": component}


def _arn_member(context: Context, name: str) -> dict[str, str]:
    return {"TrialArn": arn_of(context, TRIAL, name)}
