"""Operations on models."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from lowcloud.api.aws.access.calls import Call
from lowcloud.api.aws.access.permissions import creates, on, on_any, passes_role
from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.s3_hosts import ServerNames, is_of_s3, locate
from lowcloud.api.aws.services.sagemaker.errors import inference_errors, invalid
from lowcloud.api.aws.services.sagemaker.lists import list_answer
from lowcloud.api.aws.services.sagemaker.translation import (
    SERVICE_PRINCIPAL,
    arn_of,
    parse_s3_uri,
    read_tags,
    require_role,
    time,
)
from lowcloud.api.http.messages import HttpRequest
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError
from lowcloud.core.identity import object_access
from lowcloud.core.identity.access import Permission
from lowcloud.core.identity.callers import Caller
from lowcloud.core.serving import model_servers, models
from lowcloud.core.serving.model_servers import CODE_VARIABLE
from lowcloud.core.serving.models import MODEL, Model

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


def _reads_artifacts(call: Call) -> Iterator[Permission]:
    """Yield what a model without a role needs: its creator's own right to read what it is made from."""
    if "ExecutionRoleArn" in call.request:
        return
    container = _only_container(call.request)
    for uri in (_artifact(call.context, container), container.get("Environment", {}).get(CODE_VARIABLE)):
        if uri and uri.startswith("s3://"):
            bucket, key = parse_s3_uri(uri)
            yield object_access.permission(call.context, call.caller, "s3:GetObject", bucket, key, facts=call.facts)


@operation(
    "sagemaker",
    "CreateModel",
    creates("model/{ModelName}", passes_role("ExecutionRoleArn", SERVICE_PRINCIPAL), _reads_artifacts),
    refused=(
        "InferenceExecutionConfig",
        "VpcConfig",
        *(f"{place}.{member}" for place in ("PrimaryContainer", "Containers") for member in REFUSED_OF_CONTAINER),
    ),
    ignored=("PrimaryContainer.ContainerHostname", "Containers.ContainerHostname"),
)
def create_model(context: Context, _caller: Caller, request: Request) -> Answer:
    """A model has one container; inference pipelines of several are not built."""
    container = _only_container(request)
    if "ExecutionRoleArn" in request:
        require_role(context, request["ExecutionRoleArn"], MODEL.subject(request["ModelName"]))
    model = Model(
        name=request["ModelName"],
        created_at=context.now(),
        image=_image(context, container),
        role=request.get("ExecutionRoleArn", ""),
        artifact=_artifact(context, container),
        variables=dict(container.get("Environment", {})),
        is_network_isolated=request.get("EnableNetworkIsolation", False),
    )
    with inference_errors(context):
        models.create(context, model, read_tags(request))
    return {"ModelArn": arn_of(context, MODEL, model.name)}


@operation("sagemaker", "DescribeModel", on("model/{ModelName}"))
def describe_model(context: Context, _caller: Caller, request: Request) -> Answer:
    """The model as it was created."""
    with inference_errors(context):
        return describe(context, resources.find(context, MODEL, request["ModelName"]))


@operation("sagemaker", "ListModels", on_any())
def list_models(context: Context, _caller: Caller, request: Request) -> Answer:
    """Newest first by default."""
    return list_answer(context, request, "Models", MODEL, _summarize)


@operation("sagemaker", "DeleteModel", on("model/{ModelName}"))
def delete_model(context: Context, _caller: Caller, request: Request) -> Answer:
    """Endpoints continue to serve the model."""
    with inference_errors(context):
        resources.delete(context, MODEL, request["ModelName"])
    return {}


def describe(context: Context, model: Model) -> dict[str, Any]:
    """Return a model as Describe and Search do."""
    container = {
        "Image": model.image,
        "Mode": "SingleModel",
        "Environment": dict(model.variables),
        **({"ModelDataUrl": model.artifact} if model.artifact else {}),
    }
    return {
        **_summarize(context, model),
        "PrimaryContainer": container,
        "EnableNetworkIsolation": model.is_network_isolated,
        **({"ExecutionRoleArn": model.role} if model.role else {}),
    }


def _summarize(context: Context, model: Model) -> dict[str, Any]:
    arn = arn_of(context, MODEL, model.name)
    return {"ModelName": model.name, "ModelArn": arn, "CreationTime": time(model.created_at)}


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


def _artifact(context: Context, container: Mapping[str, Any]) -> str | None:
    """Return the S3 URI of the model, which may be given as a URL of this cloud or of Amazon S3."""
    artifact: str | None = container.get("ModelDataUrl")
    if artifact is None:
        return None
    if artifact.startswith("https://"):
        artifact = _uri_of_url(context, artifact)
    parse_s3_uri(artifact)
    return artifact


def _uri_of_url(context: Context, url: str) -> str:
    parts = urlsplit(url)
    names = ServerNames.of(context.settings.host)
    try:
        is_here = parts.port in (None, urlsplit(context.endpoint).port)
        if parts.query or not (is_here and is_of_s3(parts.hostname or "", names)):
            raise ValueError
        bucket, key = locate(HttpRequest("GET", parts.path, "", {"host": parts.netloc}), names)
    except (AwsError, ValueError) as error:
        raise invalid(
            f"Invalid ModelDataUrl {url!r}. It must be s3://BUCKET/KEY, or the https:// URL of an object of this cloud "
            "without a query, such as https://BUCKET.s3.amazonaws.com/KEY."
        ) from error
    return f"s3://{bucket}/{key}"
