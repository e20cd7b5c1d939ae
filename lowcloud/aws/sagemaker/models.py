"""Models in SageMaker's words."""

from collections.abc import Mapping
from typing import Any

from lowcloud.aws.arns import of_sagemaker
from lowcloud.aws.operations import Answer, Request, operation
from lowcloud.aws.sagemaker.translation import (
    invalid,
    list_answer,
    parse_s3_uri,
    read_list,
    read_tags,
    require_role,
    time,
)
from lowcloud.core import model_servers, models
from lowcloud.core.access import Caller
from lowcloud.core.cloud import Cloud
from lowcloud.core.errors import AlreadyExists, Invalid, NotFound
from lowcloud.core.models import Model
from lowcloud.store import tables

REFUSED_OF_CONTAINER = (
    "AdditionalModelDataSources",
    "ContainerMetricsConfig",
    "ImageConfig",
    "InferenceSpecificationName",
    "Mode=MultiModel",
    "ModelDataSource",
    "ModelPackageName",
    "MultiModelConfig",
)


@operation(
    "sagemaker",
    "CreateModel",
    refused=(
        "InferenceExecutionConfig",
        "VpcConfig",
        *(f"{place}.{member}" for place in ("PrimaryContainer", "Containers") for member in REFUSED_OF_CONTAINER),
    ),
    ignored=("PrimaryContainer.ContainerHostname", "Containers.ContainerHostname"),
)
def create_model(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """One container a model; several in a row (inference pipelines) are not built."""
    name = request["ModelName"]
    container = _only_container(request)
    if "ExecutionRoleArn" in request:
        require_role(cloud, request["ExecutionRoleArn"])
    model = Model(
        name=name,
        created_at=cloud.now(),
        image=_image(cloud, container),
        role=request.get("ExecutionRoleArn", ""),
        artifact=_artifact(container),
        environment=dict(container.get("Environment", {})),
        is_network_isolated=request.get("EnableNetworkIsolation", False),
    )
    try:
        models.create(cloud, model, read_tags(request))
    except AlreadyExists as error:
        raise invalid(f"Cannot create already existing model {_arn(cloud, name)!r}.") from error
    return {"ModelArn": _arn(cloud, name)}


@operation("sagemaker", "DescribeModel")
def describe_model(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """The model as it was created."""
    try:
        model = models.find(cloud, request["ModelName"])
    except NotFound as error:
        raise invalid(f"Could not find model {_arn(cloud, request['ModelName'])!r}.") from error
    return describe(cloud, model)


@operation("sagemaker", "ListModels")
def list_models(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Newest first unless asked otherwise."""
    columns = {"CreationTime": "created_at", "Name": "name"}
    page = read_list(cloud, request, tables.models, columns)
    found = [models.from_row(row) for row in page.rows]
    summaries = [
        {"ModelName": model.name, "ModelArn": _arn(cloud, model.name), "CreationTime": time(model.created_at)}
        for model in found
    ]
    return list_answer("Models", summaries, page)


@operation("sagemaker", "DeleteModel")
def delete_model(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Endpoints that serve the model go on."""
    try:
        models.remove(cloud, request["ModelName"])
    except NotFound as error:
        raise invalid(f"Could not find model {_arn(cloud, request['ModelName'])!r}.") from error
    return {}


def describe(cloud: Cloud, model: Model) -> dict[str, Any]:
    """A model as Describe and Search tell it."""
    container = {
        "Image": model.image,
        "Mode": "SingleModel",
        "Environment": dict(model.environment),
        **({"ModelDataUrl": model.artifact} if model.artifact else {}),
    }
    return {
        "ModelName": model.name,
        "ModelArn": _arn(cloud, model.name),
        "PrimaryContainer": container,
        "CreationTime": time(model.created_at),
        "EnableNetworkIsolation": model.is_network_isolated,
        **({"ExecutionRoleArn": model.role} if model.role else {}),
    }


def _only_container(request: Request) -> Mapping[str, Any]:
    containers = [
        *([request["PrimaryContainer"]] if "PrimaryContainer" in request else []),
        *request.get("Containers", []),
    ]
    if len(containers) != 1:
        raise invalid(
            f"A model needs one container, not {len(containers)}: pipelines are not supported by Lowcloud yet."
        )
    container: Mapping[str, Any] = containers[0]
    return container


def _image(cloud: Cloud, container: Mapping[str, Any]) -> str:
    image: str = container.get("Image", "")
    try:
        model_servers.find(cloud, image, container.get("Environment", {}))
    except Invalid as error:
        raise invalid(str(error)) from error
    return image


def _artifact(container: Mapping[str, Any]) -> str | None:
    artifact: str | None = container.get("ModelDataUrl")
    if artifact is not None:
        parse_s3_uri(artifact)
    return artifact


def _arn(cloud: Cloud, name: str) -> str:
    return of_sagemaker(cloud, models.subject(name))
