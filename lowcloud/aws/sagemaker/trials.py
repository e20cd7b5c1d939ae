"""Trials in SageMaker's words, and which components belong to them."""

from typing import Any

from sqlalchemy import select

from lowcloud.aws.arns import of_sagemaker
from lowcloud.aws.operations import Answer, Request, operation
from lowcloud.aws.sagemaker.experiments import SORT_COLUMNS
from lowcloud.aws.sagemaker.tracked import in_their_words, read_metadata, show_metadata, times
from lowcloud.aws.sagemaker.translation import list_answer, read_list, read_tags
from lowcloud.core import experiments, trial_components, trials
from lowcloud.core.access import Caller
from lowcloud.core.cloud import Cloud
from lowcloud.core.trials import Trial
from lowcloud.store import tables
from lowcloud.store.tables import trial_members


@operation("sagemaker", "CreateTrial")
def create_trial(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Its experiment must exist."""
    now = cloud.now()
    trial = Trial(
        name=request["TrialName"],
        experiment=request["ExperimentName"],
        created_at=now,
        modified_at=now,
        display_name=request.get("DisplayName"),
        metadata=read_metadata(request),
    )
    with in_their_words():
        trials.create(cloud, trial, read_tags(request))
    return {"TrialArn": _arn(cloud, trial.name)}


@operation("sagemaker", "DescribeTrial")
def describe_trial(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """The trial as it stands."""
    with in_their_words():
        return describe(cloud, trials.find(cloud, request["TrialName"]))


@operation("sagemaker", "ListTrials")
def list_trials(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Of an experiment, or with a component, newest first unless asked otherwise."""
    where = []
    with in_their_words():
        if name := request.get("ExperimentName"):
            where.append(tables.trials.c.experiment == experiments.find(cloud, name).name)
        if name := request.get("TrialComponentName"):
            of_component = trial_members.c.component == trial_components.find(cloud, name).name
            where.append(tables.trials.c.name.in_(select(trial_members.c.trial).where(of_component)))
    page = read_list(cloud, request, tables.trials, SORT_COLUMNS, where)
    return list_answer("TrialSummaries", [_summary(cloud, trials.from_row(row)) for row in page.rows], page)


@operation("sagemaker", "UpdateTrial")
def update_trial(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Only the name that is displayed can change."""
    values = {"display_name": request["DisplayName"]} if "DisplayName" in request else {}
    with in_their_words():
        return {"TrialArn": _arn(cloud, trials.change(cloud, request["TrialName"], **values).name)}


@operation("sagemaker", "DeleteTrial")
def delete_trial(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Its components must be disassociated before."""
    with in_their_words():
        return {"TrialArn": _arn(cloud, trials.remove(cloud, request["TrialName"]).name)}


@operation("sagemaker", "AssociateTrialComponent")
def associate_trial_component(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """A component may be part of several trials; that it is already part of this one is no error."""
    with in_their_words():
        trials.join(cloud, request["TrialName"], request["TrialComponentName"])
    return _both(cloud, request)


@operation("sagemaker", "DisassociateTrialComponent")
def disassociate_trial_component(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """The component goes on to exist."""
    with in_their_words():
        trials.leave(cloud, request["TrialName"], request["TrialComponentName"])
    return _both(cloud, request)


def describe(cloud: Cloud, trial: Trial) -> dict[str, Any]:
    """A trial as Describe and Search tell it."""
    return {
        **_summary(cloud, trial),
        "ExperimentName": trial.experiment,
        "MetadataProperties": show_metadata(trial.metadata),
    }


def _summary(cloud: Cloud, trial: Trial) -> dict[str, Any]:
    return {
        "TrialName": trial.name,
        "TrialArn": _arn(cloud, trial.name),
        "DisplayName": trial.display_name or trial.name,
        **times(trial),
    }


def _both(cloud: Cloud, request: Request) -> dict[str, str]:
    component = trial_components.subject(request["TrialComponentName"])
    return {"TrialArn": _arn(cloud, request["TrialName"]), "TrialComponentArn": of_sagemaker(cloud, component)}


def _arn(cloud: Cloud, name: str) -> str:
    return of_sagemaker(cloud, trials.subject(name))
