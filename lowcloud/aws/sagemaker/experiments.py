"""Experiments in SageMaker's words."""

from typing import Any

from lowcloud.aws.arns import of_sagemaker
from lowcloud.aws.operations import Answer, Request, operation
from lowcloud.aws.sagemaker.tracked import in_their_words, times
from lowcloud.aws.sagemaker.translation import list_answer, read_list, read_tags
from lowcloud.core import experiments
from lowcloud.core.access import Caller
from lowcloud.core.cloud import Cloud
from lowcloud.core.experiments import Experiment
from lowcloud.store import tables

SORT_COLUMNS = {"CreationTime": "created_at", "Name": "name"}


@operation("sagemaker", "CreateExperiment")
def create_experiment(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Names differ by more than the case of letters."""
    now = cloud.now()
    experiment = Experiment(request["ExperimentName"], now, now, request.get("DisplayName"), request.get("Description"))
    with in_their_words():
        experiments.create(cloud, experiment, read_tags(request))
    return {"ExperimentArn": _arn(cloud, experiment)}


@operation("sagemaker", "DescribeExperiment")
def describe_experiment(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """The experiment as it stands."""
    with in_their_words():
        return describe(cloud, experiments.find(cloud, request["ExperimentName"]))


@operation("sagemaker", "ListExperiments")
def list_experiments(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Newest first unless asked otherwise."""
    page = read_list(cloud, request, tables.experiments, SORT_COLUMNS)
    found = [describe(cloud, experiments.from_row(row)) for row in page.rows]
    return list_answer("ExperimentSummaries", [{**one, "Description": None} for one in found], page)


@operation("sagemaker", "UpdateExperiment")
def update_experiment(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """What is not named stays."""
    columns = {"DisplayName": "display_name", "Description": "description"}
    values = {column: request[member] for member, column in columns.items() if member in request}
    with in_their_words():
        return {"ExperimentArn": _arn(cloud, experiments.change(cloud, request["ExperimentName"], **values))}


@operation("sagemaker", "DeleteExperiment")
def delete_experiment(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Its trials must be gone before."""
    with in_their_words():
        return {"ExperimentArn": _arn(cloud, experiments.remove(cloud, request["ExperimentName"]))}


def describe(cloud: Cloud, experiment: Experiment) -> dict[str, Any]:
    """An experiment as Describe and Search tell it."""
    return {
        "ExperimentName": experiment.name,
        "ExperimentArn": _arn(cloud, experiment),
        "DisplayName": experiment.display_name or experiment.name,
        "Description": experiment.description,
        **times(experiment),
    }


def _arn(cloud: Cloud, experiment: Experiment) -> str:
    return of_sagemaker(cloud, experiments.subject(experiment.name))
