"""Trials in SageMaker's words, and which components belong to them."""

from typing import Any

from sqlalchemy import select

from lowcloud.api.aws.arns import of_sagemaker
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.experiments.experiments import SORT_COLUMNS
from lowcloud.api.aws.services.sagemaker.tracked import in_their_words, read_metadata, show_metadata, times
from lowcloud.api.aws.services.sagemaker.translation import list_answer, read_list, read_tags
from lowcloud.core.context import Context
from lowcloud.core.identity.access import Caller
from lowcloud.core.tracking import experiments, trial_components, trials
from lowcloud.core.tracking.trials import Trial
from lowcloud.store.db import tables
from lowcloud.store.db.tables import trial_members


@operation("sagemaker", "CreateTrial")
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
    with in_their_words():
        trials.create(context, trial, read_tags(request))
    return {"TrialArn": _arn(context, trial.name)}


@operation("sagemaker", "DescribeTrial")
def describe_trial(context: Context, _caller: Caller, request: Request) -> Answer:
    """The trial as it stands."""
    with in_their_words():
        return describe(context, trials.find(context, request["TrialName"]))


@operation("sagemaker", "ListTrials")
def list_trials(context: Context, _caller: Caller, request: Request) -> Answer:
    """Of an experiment, or with a component, newest first unless asked otherwise."""
    where = []
    with in_their_words():
        if name := request.get("ExperimentName"):
            where.append(tables.trials.c.experiment == experiments.find(context, name).name)
        if name := request.get("TrialComponentName"):
            of_component = trial_members.c.component == trial_components.find(context, name).name
            where.append(tables.trials.c.name.in_(select(trial_members.c.trial).where(of_component)))
    page = read_list(context, request, tables.trials, SORT_COLUMNS, where)
    return list_answer("TrialSummaries", [_summary(context, trials.from_row(row)) for row in page.rows], page)


@operation("sagemaker", "UpdateTrial")
def update_trial(context: Context, _caller: Caller, request: Request) -> Answer:
    """Only the name that is displayed can change."""
    values = {"display_name": request["DisplayName"]} if "DisplayName" in request else {}
    with in_their_words():
        return {"TrialArn": _arn(context, trials.change(context, request["TrialName"], **values).name)}


@operation("sagemaker", "DeleteTrial")
def delete_trial(context: Context, _caller: Caller, request: Request) -> Answer:
    """Its components must be disassociated before."""
    with in_their_words():
        return {"TrialArn": _arn(context, trials.remove(context, request["TrialName"]).name)}


@operation("sagemaker", "AssociateTrialComponent")
def associate_trial_component(context: Context, _caller: Caller, request: Request) -> Answer:
    """A component may be part of several trials; that it is already part of this one is no error."""
    with in_their_words():
        trials.join(context, request["TrialName"], request["TrialComponentName"])
    return _both(context, request)


@operation("sagemaker", "DisassociateTrialComponent")
def disassociate_trial_component(context: Context, _caller: Caller, request: Request) -> Answer:
    """The component goes on to exist."""
    with in_their_words():
        trials.leave(context, request["TrialName"], request["TrialComponentName"])
    return _both(context, request)


def describe(context: Context, trial: Trial) -> dict[str, Any]:
    """A trial as Describe and Search tell it."""
    return {
        **_summary(context, trial),
        "ExperimentName": trial.experiment,
        "MetadataProperties": show_metadata(trial.metadata),
    }


def _summary(context: Context, trial: Trial) -> dict[str, Any]:
    return {
        "TrialName": trial.name,
        "TrialArn": _arn(context, trial.name),
        "DisplayName": trial.display_name or trial.name,
        **times(trial),
    }


def _both(context: Context, request: Request) -> dict[str, str]:
    component = trial_components.subject(request["TrialComponentName"])
    return {"TrialArn": _arn(context, request["TrialName"]), "TrialComponentArn": of_sagemaker(context, component)}


def _arn(context: Context, name: str) -> str:
    return of_sagemaker(context, trials.subject(name))
