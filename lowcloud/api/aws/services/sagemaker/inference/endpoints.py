"""Operations on endpoints."""

import asyncio
from typing import Any

from lowcloud.api.aws.access.permissions import creates, on, on_any
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.errors import inference_errors
from lowcloud.api.aws.services.sagemaker.lists import list_answer
from lowcloud.api.aws.services.sagemaker.translation import arn_of, read_tags, times
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.serving import endpoints
from lowcloud.core.serving.endpoint_records import Endpoint, EndpointState, Variant
from lowcloud.core.serving.endpoints import ENDPOINT

# SDKs describe a new endpoint once and then sleep 30 s, so Describe waits for an endpoint this young.
WAIT_SECONDS = 15.0
POLL_SECONDS = 0.02

STATUS = {
    EndpointState.CREATING: "Creating",
    EndpointState.IN_SERVICE: "InService",
    EndpointState.DELETING: "Deleting",
    EndpointState.FAILED: "Failed",
}


@operation(
    "sagemaker",
    "CreateEndpoint",
    creates("endpoint/{EndpointName}", on("endpoint-config/{EndpointConfigName}")),
    refused=("DeploymentConfig",),
)
def create_endpoint(context: Context, _caller: Caller, request: Request) -> Answer:
    """Its replicas start immediately."""
    name = request["EndpointName"]
    with inference_errors(context):
        endpoints.create(context, name, request["EndpointConfigName"], read_tags(request))
    return {"EndpointArn": arn_of(context, ENDPOINT, name)}


@operation("sagemaker", "DescribeEndpoint", on("endpoint/{EndpointName}"))
async def describe_endpoint(context: Context, _caller: Caller, request: Request) -> Answer:
    """Waits for an endpoint that is being created, until it is WAIT_SECONDS old."""
    endpoint = await asyncio.to_thread(_find, context, request["EndpointName"])
    while endpoint.state == EndpointState.CREATING and context.now() < endpoint.created_at + WAIT_SECONDS:
        await asyncio.sleep(POLL_SECONDS)
        endpoint = await asyncio.to_thread(_find, context, endpoint.name)
    return describe(context, endpoint)


@operation("sagemaker", "ListEndpoints", on_any())
def list_endpoints(context: Context, _caller: Caller, request: Request) -> Answer:
    """Newest first by default."""
    status = request.get("StatusEquals")
    states = [state for state, shown in STATUS.items() if shown == status] if status else None
    return list_answer(context, request, "Endpoints", ENDPOINT, _summarize, state=states)


@operation("sagemaker", "DeleteEndpoint", on("endpoint/{EndpointName}"))
def delete_endpoint(context: Context, _caller: Caller, request: Request) -> Answer:
    """After this answer the endpoint serves no request; its replicas end immediately."""
    with inference_errors(context):
        endpoints.delete(context, request["EndpointName"])
    return {}


def describe(context: Context, endpoint: Endpoint) -> dict[str, Any]:
    """Return an endpoint as Describe and Search do."""
    return {
        **_summarize(context, endpoint),
        "EndpointConfigName": endpoint.configuration,
        "ProductionVariants": [_describe_variant(context, endpoint, variant) for variant in endpoint.variants],
        **({"FailureReason": endpoint.failure} if endpoint.failure else {}),
    }


def _find(context: Context, name: str) -> Endpoint:
    with inference_errors(context):
        return resources.find(context, ENDPOINT, name)


def _summarize(context: Context, endpoint: Endpoint) -> dict[str, Any]:
    return {
        "EndpointName": endpoint.name,
        "EndpointArn": arn_of(context, ENDPOINT, endpoint.name),
        **times(endpoint),
        "EndpointStatus": STATUS[endpoint.state],
    }


def _describe_variant(context: Context, endpoint: Endpoint, variant: Variant) -> dict[str, Any]:
    running = sum(context.engine.address(work_id, 0) is not None for work_id in endpoint.work_ids()[variant.name])
    return {
        "VariantName": variant.name,
        "DeployedImages": [{"SpecifiedImage": endpoint.models[variant.model].image}],
        "DesiredInstanceCount": variant.instance_count,
        "CurrentInstanceCount": running if endpoint.state == EndpointState.IN_SERVICE else 0,
        "DesiredWeight": variant.weight,
        "CurrentWeight": variant.weight,
    }
