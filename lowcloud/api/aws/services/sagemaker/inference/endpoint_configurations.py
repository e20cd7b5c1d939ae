"""Endpoint configurations in SageMaker's words."""

from collections.abc import Mapping
from typing import Any

from lowcloud.api.aws.arns import of_sagemaker
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.translation import invalid, list_answer, read_list, read_tags, time
from lowcloud.core.context import Context
from lowcloud.core.errors import AlreadyExistsError, NotFoundError
from lowcloud.core.identity.access import Caller
from lowcloud.core.serving import endpoints, models
from lowcloud.core.serving.endpoints import Configuration, Variant
from lowcloud.store.db import tables

REFUSED_OF_VARIANT = (
    "AcceleratorPartitionLayouts",
    "AcceleratorType",
    "CapacityReservationConfig",
    "CoreDumpConfig",
    "InferenceAmiVersion",
    "InstancePools",
    "ManagedInstanceScaling",
    "RoutingConfig",
    "ServerlessConfig",
)


@operation(
    "sagemaker",
    "CreateEndpointConfig",
    refused=(
        "AsyncInferenceConfig",
        "CrossRegionTrafficConfig",
        "DataCaptureConfig",
        "ExplainerConfig",
        "ShadowProductionVariants",
        "VpcConfig",
        *(f"ProductionVariants.{member}" for member in REFUSED_OF_VARIANT),
    ),
    ignored=(
        "EnableNetworkIsolation",
        "ExecutionRoleArn",
        "KmsKeyId",
        "MetricsConfig",
        "ProductionVariants.ContainerStartupHealthCheckTimeoutInSeconds",
        "ProductionVariants.EnableSSMAccess",
        "ProductionVariants.ModelDataDownloadTimeoutInSeconds",
        "ProductionVariants.VariantInstanceProvisionTimeoutInSeconds",
        "ProductionVariants.VolumeSizeInGB",
    ),
)
def create_endpoint_config(context: Context, _caller: Caller, request: Request) -> Answer:
    """Real-time variants, each with its replicas."""
    name = request["EndpointConfigName"]
    variants = tuple(_variant(variant) for variant in request["ProductionVariants"])
    if len({variant.name for variant in variants}) != len(variants):
        raise invalid("The names of production variants must differ.")
    try:
        configuration = Configuration(name, context.now(), variants, request.get("KmsKeyId"))
        endpoints.configure(context, configuration, read_tags(request))
    except AlreadyExistsError as error:
        raise invalid(f"Cannot create already existing endpoint configuration {_arn(context, name)!r}.") from error
    except NotFoundError as error:
        raise invalid(f"Could not find model {of_sagemaker(context, models.subject(error.name))!r}.") from error
    return {"EndpointConfigArn": _arn(context, name)}


@operation("sagemaker", "DescribeEndpointConfig")
def describe_endpoint_config(context: Context, _caller: Caller, request: Request) -> Answer:
    """The configuration as it was created."""
    try:
        configuration = endpoints.find_configuration(context, request["EndpointConfigName"])
    except NotFoundError as error:
        raise _not_found(context, request["EndpointConfigName"]) from error
    return {
        "EndpointConfigName": configuration.name,
        "EndpointConfigArn": _arn(context, configuration.name),
        "ProductionVariants": [_describe_variant(variant) for variant in configuration.variants],
        "CreationTime": time(configuration.created_at),
        **({"KmsKeyId": configuration.encryption_key} if configuration.encryption_key else {}),
    }


@operation("sagemaker", "ListEndpointConfigs")
def list_endpoint_configs(context: Context, _caller: Caller, request: Request) -> Answer:
    """Newest first unless asked otherwise."""
    columns = {"CreationTime": "created_at", "Name": "name"}
    table = tables.endpoint_configurations
    page = read_list(context, request, table, columns)
    summaries = [
        {
            "EndpointConfigName": row.name,
            "EndpointConfigArn": _arn(context, row.name),
            "CreationTime": time(row.created_at),
        }
        for row in page.rows
    ]
    return list_answer("EndpointConfigs", summaries, page)


@operation("sagemaker", "DeleteEndpointConfig")
def delete_endpoint_config(context: Context, _caller: Caller, request: Request) -> Answer:
    """Endpoints made from it go on."""
    try:
        endpoints.remove_configuration(context, request["EndpointConfigName"])
    except NotFoundError as error:
        raise _not_found(context, request["EndpointConfigName"]) from error
    return {}


def _variant(variant: Mapping[str, Any]) -> Variant:
    for member in ("ModelName", "InstanceType", "InitialInstanceCount"):
        if member not in variant:
            raise invalid(f"{member} of variant {variant['VariantName']!r} is required.")
    return Variant(
        name=variant["VariantName"],
        model=variant["ModelName"],
        instance_type=variant["InstanceType"],
        instance_count=variant["InitialInstanceCount"],
        weight=variant.get("InitialVariantWeight", 1.0),
    )


def _describe_variant(variant: Variant) -> dict[str, Any]:
    return {
        "VariantName": variant.name,
        "ModelName": variant.model,
        "InstanceType": variant.instance_type,
        "InitialInstanceCount": variant.instance_count,
        "InitialVariantWeight": variant.weight,
    }


def _not_found(context: Context, name: str) -> Exception:
    return invalid(f"Could not find endpoint configuration {_arn(context, name)!r}.")


def _arn(context: Context, name: str) -> str:
    return of_sagemaker(context, endpoints.configuration_subject(name))
