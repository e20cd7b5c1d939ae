"""Operations on endpoint configurations."""

from collections.abc import Mapping
from typing import Any

from lowcloud.api.aws.access.permissions import creates, on, on_any
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.errors import inference_errors, invalid
from lowcloud.api.aws.services.sagemaker.lists import list_answer
from lowcloud.api.aws.services.sagemaker.translation import arn_of, read_tags, time
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.serving import endpoint_configurations
from lowcloud.core.serving.endpoint_configurations import CONFIGURATION, Configuration
from lowcloud.core.serving.endpoint_records import Variant

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
    creates("endpoint-config/{EndpointConfigName}"),
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
    """Only real-time variants, each with a number of replicas."""
    variants = tuple(_variant(variant) for variant in request["ProductionVariants"])
    if len({variant.name for variant in variants}) != len(variants):
        raise invalid("The names of production variants must differ.")
    name = request["EndpointConfigName"]
    configuration = Configuration(name, context.now(), variants, request.get("KmsKeyId"))
    with inference_errors(context):
        endpoint_configurations.create(context, configuration, read_tags(request))
    return {"EndpointConfigArn": arn_of(context, CONFIGURATION, name)}


@operation("sagemaker", "DescribeEndpointConfig", on("endpoint-config/{EndpointConfigName}"))
def describe_endpoint_config(context: Context, _caller: Caller, request: Request) -> Answer:
    """The configuration as it was created."""
    with inference_errors(context):
        configuration = resources.find(context, CONFIGURATION, request["EndpointConfigName"])
    return {
        **_summarize(context, configuration),
        "ProductionVariants": [_describe_variant(variant) for variant in configuration.variants],
        **({"KmsKeyId": configuration.encryption_key} if configuration.encryption_key else {}),
    }


@operation("sagemaker", "ListEndpointConfigs", on_any())
def list_endpoint_configs(context: Context, _caller: Caller, request: Request) -> Answer:
    """Newest first by default."""
    return list_answer(context, request, "EndpointConfigs", CONFIGURATION, _summarize)


@operation("sagemaker", "DeleteEndpointConfig", on("endpoint-config/{EndpointConfigName}"))
def delete_endpoint_config(context: Context, _caller: Caller, request: Request) -> Answer:
    """Endpoints created from it remain."""
    with inference_errors(context):
        resources.delete(context, CONFIGURATION, request["EndpointConfigName"])
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


def _summarize(context: Context, configuration: Configuration) -> dict[str, Any]:
    return {
        "EndpointConfigName": configuration.name,
        "EndpointConfigArn": arn_of(context, CONFIGURATION, configuration.name),
        "CreationTime": time(configuration.created_at),
    }
