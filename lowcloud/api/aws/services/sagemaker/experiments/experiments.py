"""Operations on experiments."""

from typing import Any

from lowcloud.api.aws.access.permissions import creates, on, on_any
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.errors import tracking_errors
from lowcloud.api.aws.services.sagemaker.lists import list_answer
from lowcloud.api.aws.services.sagemaker.translation import arn_of, read_tags, times
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.tracking import experiments
from lowcloud.core.tracking.experiments import EXPERIMENT, Experiment


@operation("sagemaker", "CreateExperiment", creates("experiment/{ExperimentName}"))
def create_experiment(context: Context, _caller: Caller, request: Request) -> Answer:
    """Names must differ in more than case."""
    now = context.now()
    experiment = Experiment(request["ExperimentName"], now, now, request.get("DisplayName"), request.get("Description"))
    with tracking_errors():
        experiments.create(context, experiment, read_tags(request))
    return _arn_member(context, experiment)


@operation("sagemaker", "DescribeExperiment", on("experiment/{ExperimentName}"))
def describe_experiment(context: Context, _caller: Caller, request: Request) -> Answer:
    """The name is found regardless of case."""
    with tracking_errors():
        return describe(context, resources.find(context, EXPERIMENT, request["ExperimentName"]))


@operation("sagemaker", "ListExperiments", on_any())
def list_experiments(context: Context, _caller: Caller, request: Request) -> Answer:
    """Newest first by default."""
    return list_answer(context, request, "ExperimentSummaries", EXPERIMENT, _summarize)


@operation("sagemaker", "UpdateExperiment", on("experiment/{ExperimentName}"))
def update_experiment(context: Context, _caller: Caller, request: Request) -> Answer:
    """Members that are not given stay as they are."""
    columns = {"DisplayName": "display_name", "Description": "description"}
    values = {column: request[member] for member, column in columns.items() if member in request}
    with tracking_errors():
        return _arn_member(context, resources.change(context, EXPERIMENT, request["ExperimentName"], values))


@operation("sagemaker", "DeleteExperiment", on("experiment/{ExperimentName}"))
def delete_experiment(context: Context, _caller: Caller, request: Request) -> Answer:
    """Its trials must be deleted before."""
    with tracking_errors():
        return _arn_member(context, experiments.delete(context, request["ExperimentName"]))


def describe(context: Context, experiment: Experiment) -> dict[str, Any]:
    """Return an experiment as Describe and Search do."""
    return {**_summarize(context, experiment), "Description": experiment.description}


def _summarize(context: Context, experiment: Experiment) -> dict[str, Any]:
    return {
        "ExperimentName": experiment.name,
        **_arn_member(context, experiment),
        "DisplayName": experiment.display_name or experiment.name,
        **times(experiment),
    }


def _arn_member(context: Context, experiment: Experiment) -> dict[str, str]:
    return {"ExperimentArn": arn_of(context, EXPERIMENT, experiment.name)}
