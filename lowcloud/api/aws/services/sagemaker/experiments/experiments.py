"""Experiments in SageMaker's words."""

from typing import Any

from lowcloud.api.aws.arns import of_sagemaker
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.tracked import in_their_words, times
from lowcloud.api.aws.services.sagemaker.translation import list_answer, read_list, read_tags
from lowcloud.core.context import Context
from lowcloud.core.identity.access import Caller
from lowcloud.core.tracking import experiments
from lowcloud.core.tracking.experiments import Experiment
from lowcloud.store.db import tables

SORT_COLUMNS = {"CreationTime": "created_at", "Name": "name"}


@operation("sagemaker", "CreateExperiment")
def create_experiment(context: Context, _caller: Caller, request: Request) -> Answer:
    """Names differ by more than the case of letters."""
    now = context.now()
    experiment = Experiment(request["ExperimentName"], now, now, request.get("DisplayName"), request.get("Description"))
    with in_their_words():
        experiments.create(context, experiment, read_tags(request))
    return {"ExperimentArn": _arn(context, experiment)}


@operation("sagemaker", "DescribeExperiment")
def describe_experiment(context: Context, _caller: Caller, request: Request) -> Answer:
    """The experiment as it stands."""
    with in_their_words():
        return describe(context, experiments.find(context, request["ExperimentName"]))


@operation("sagemaker", "ListExperiments")
def list_experiments(context: Context, _caller: Caller, request: Request) -> Answer:
    """Newest first unless asked otherwise."""
    page = read_list(context, request, tables.experiments, SORT_COLUMNS)
    found = [describe(context, experiments.from_row(row)) for row in page.rows]
    return list_answer("ExperimentSummaries", [{**one, "Description": None} for one in found], page)


@operation("sagemaker", "UpdateExperiment")
def update_experiment(context: Context, _caller: Caller, request: Request) -> Answer:
    """What is not named stays."""
    columns = {"DisplayName": "display_name", "Description": "description"}
    values = {column: request[member] for member, column in columns.items() if member in request}
    with in_their_words():
        return {"ExperimentArn": _arn(context, experiments.change(context, request["ExperimentName"], **values))}


@operation("sagemaker", "DeleteExperiment")
def delete_experiment(context: Context, _caller: Caller, request: Request) -> Answer:
    """Its trials must be gone before."""
    with in_their_words():
        return {"ExperimentArn": _arn(context, experiments.remove(context, request["ExperimentName"]))}


def describe(context: Context, experiment: Experiment) -> dict[str, Any]:
    """An experiment as Describe and Search tell it."""
    return {
        "ExperimentName": experiment.name,
        "ExperimentArn": _arn(context, experiment),
        "DisplayName": experiment.display_name or experiment.name,
        "Description": experiment.description,
        **times(experiment),
    }


def _arn(context: Context, experiment: Experiment) -> str:
    return of_sagemaker(context, experiments.subject(experiment.name))
