"""Endpoints in SageMaker's words."""

import asyncio
from typing import Any

from lowcloud.aws.arns import of_sagemaker
from lowcloud.aws.operations import Answer, Request, operation
from lowcloud.aws.sagemaker.translation import invalid, list_answer, read_list, read_tags, time
from lowcloud.core import endpoints
from lowcloud.core.access import Caller
from lowcloud.core.cloud import Cloud
from lowcloud.core.endpoints import Endpoint, State, Variant
from lowcloud.core.errors import AlreadyExists, Invalid, NotFound
from lowcloud.store import tables

# SDKs look at a new endpoint once and then sleep 30 s, so a look at an endpoint this young waits for it.
PATIENCE_SECONDS = 15.0
POLL_SECONDS = 0.02

STATUS = {
    State.CREATING: "Creating",
    State.IN_SERVICE: "InService",
    State.DELETING: "Deleting",
    State.FAILED: "Failed",
}


@operation("sagemaker", "CreateEndpoint", refused=("DeploymentConfig",))
def create_endpoint(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Its replicas start at once."""
    name, configuration = request["EndpointName"], request["EndpointConfigName"]
    try:
        endpoints.create(cloud, name, configuration, read_tags(request))
    except AlreadyExists as error:
        raise invalid(f"Cannot create already existing endpoint {_arn(cloud, name)!r}.") from error
    except NotFound as error:
        missing = of_sagemaker(cloud, f"{error.kind.replace('endpoint configuration', 'endpoint-config')}/{error.name}")
        raise invalid(f"Could not find {error.kind} {missing!r}.") from error
    return {"EndpointArn": _arn(cloud, name)}


@operation("sagemaker", "DescribeEndpoint")
async def describe_endpoint(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """The endpoint as it stands; one younger than PATIENCE_SECONDS is waited for."""
    endpoint = await asyncio.to_thread(_find, cloud, request["EndpointName"])
    while endpoint.state == State.CREATING and cloud.now() < endpoint.created_at + PATIENCE_SECONDS:
        await asyncio.sleep(POLL_SECONDS)
        endpoint = await asyncio.to_thread(_find, cloud, endpoint.name)
    return describe(cloud, endpoint)


@operation("sagemaker", "ListEndpoints")
def list_endpoints(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """Newest first unless asked otherwise."""
    columns = {"CreationTime": "created_at", "Name": "name", "Status": "state"}
    where = []
    if status := request.get("StatusEquals"):
        where.append(tables.endpoints.c.state.in_([state for state, shown in STATUS.items() if shown == status]))
    page = read_list(cloud, request, tables.endpoints, columns, where)
    found = [endpoints.from_row(row) for row in page.rows]
    return list_answer("Endpoints", [_summary(cloud, endpoint) for endpoint in found], page)


@operation("sagemaker", "DeleteEndpoint")
def delete_endpoint(cloud: Cloud, _caller: Caller, request: Request) -> Answer:
    """From this answer on the endpoint serves nobody; its replicas end right after."""
    try:
        endpoints.request_removal(cloud, request["EndpointName"])
    except NotFound as error:
        raise _not_found(cloud, request["EndpointName"]) from error
    except Invalid as error:
        raise invalid(str(error)) from error
    return {}


def describe(cloud: Cloud, endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint as Describe and Search tell it."""
    is_serving = endpoint.state == State.IN_SERVICE
    return {
        **_summary(cloud, endpoint),
        "EndpointConfigName": endpoint.configuration,
        "ProductionVariants": [_describe_variant(endpoint, variant, is_serving) for variant in endpoint.variants],
        **({"FailureReason": endpoint.failure} if endpoint.failure else {}),
    }


def _find(cloud: Cloud, name: str) -> Endpoint:
    try:
        return endpoints.find(cloud, name)
    except NotFound as error:
        raise _not_found(cloud, name) from error


def _summary(cloud: Cloud, endpoint: Endpoint) -> dict[str, Any]:
    return {
        "EndpointName": endpoint.name,
        "EndpointArn": _arn(cloud, endpoint.name),
        "CreationTime": time(endpoint.created_at),
        "LastModifiedTime": time(endpoint.modified_at),
        "EndpointStatus": STATUS[endpoint.state],
    }


def _describe_variant(endpoint: Endpoint, variant: Variant, is_serving: bool) -> dict[str, Any]:
    return {
        "VariantName": variant.name,
        "DeployedImages": [{"SpecifiedImage": endpoint.models[variant.model].image}],
        "DesiredInstanceCount": variant.instance_count,
        "CurrentInstanceCount": variant.instance_count if is_serving else 0,
        "DesiredWeight": variant.weight,
        "CurrentWeight": variant.weight,
    }


def _not_found(cloud: Cloud, name: str) -> Exception:
    return invalid(f"Could not find endpoint {_arn(cloud, name)!r}.")


def _arn(cloud: Cloud, name: str) -> str:
    return of_sagemaker(cloud, endpoints.subject(name))
