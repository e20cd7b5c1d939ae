"""Models in SageMaker's words."""

from collections.abc import Mapping
from typing import Any

from lowcloud.api.aws.arns import of_sagemaker
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.translation import (
    invalid,
    list_answer,
    parse_s3_uri,
    read_list,
    read_tags,
    require_role,
    time,
)
from lowcloud.core.context import Context
from lowcloud.core.errors import AlreadyExistsError, InvalidError, NotFoundError
from lowcloud.core.identity.access import Caller
from lowcloud.core.serving import model_servers, models
from lowcloud.core.serving.models import Model
from lowcloud.store.db import tables

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
def create_model(context: Context, _caller: Caller, request: Request) -> Answer:
    """One container a model; several in a row (inference pipelines) are not built."""
    name = request["ModelName"]
    container = _only_container(request)
    if "ExecutionRoleArn" in request:
        require_role(context, request["ExecutionRoleArn"])
    model = Model(
        name=name,
        created_at=context.now(),
        image=_image(context, container),
        role=request.get("ExecutionRoleArn", ""),
        artifact=_artifact(container),
        environment=dict(container.get("Environment", {})),
        is_network_isolated=request.get("EnableNetworkIsolation", False),
    )
    try:
        models.create(context, model, read_tags(request))
    except AlreadyExistsError as error:
        raise invalid(f"Cannot create already existing model {_arn(context, name)!r}.") from error
    return {"ModelArn": _arn(context, name)}


@operation("sagemaker", "DescribeModel")
def describe_model(context: Context, _caller: Caller, request: Request) -> Answer:
    """The model as it was created."""
    try:
        model = models.find(context, request["ModelName"])
    except NotFoundError as error:
        raise invalid(f"Could not find model {_arn(context, request['ModelName'])!r}.") from error
    return describe(context, model)


@operation("sagemaker", "ListModels")
def list_models(context: Context, _caller: Caller, request: Request) -> Answer:
    """Newest first unless asked otherwise."""
    columns = {"CreationTime": "created_at", "Name": "name"}
    page = read_list(context, request, tables.models, columns)
    found = [models.from_row(row) for row in page.rows]
    summaries = [
        {"ModelName": model.name, "ModelArn": _arn(context, model.name), "CreationTime": time(model.created_at)}
        for model in found
    ]
    return list_answer("Models", summaries, page)


@operation("sagemaker", "DeleteModel")
def delete_model(context: Context, _caller: Caller, request: Request) -> Answer:
    """Endpoints that serve the model go on."""
    try:
        models.remove(context, request["ModelName"])
    except NotFoundError as error:
        raise invalid(f"Could not find model {_arn(context, request['ModelName'])!r}.") from error
    return {}


def describe(context: Context, model: Model) -> dict[str, Any]:
    """A model as Describe and Search tell it."""
    container = {
        "Image": model.image,
        "Mode": "SingleModel",
        "Environment": dict(model.environment),
        **({"ModelDataUrl": model.artifact} if model.artifact else {}),
    }
    return {
        "ModelName": model.name,
        "ModelArn": _arn(context, model.name),
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


def _image(context: Context, container: Mapping[str, Any]) -> str:
    image: str = container.get("Image", "")
    try:
        model_servers.resolve(context, image, container.get("Environment", {}))
    except InvalidError as error:
        raise invalid(str(error)) from error
    return image


def _artifact(container: Mapping[str, Any]) -> str | None:
    artifact: str | None = container.get("ModelDataUrl")
    if artifact is not None:
        parse_s3_uri(artifact)
    return artifact


def _arn(context: Context, name: str) -> str:
    return of_sagemaker(context, models.subject(name))
