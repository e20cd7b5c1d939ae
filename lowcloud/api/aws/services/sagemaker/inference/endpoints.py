"""Endpoints in SageMaker's words."""

import asyncio
from typing import Any

from lowcloud.api.aws.arns import of_sagemaker
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.sagemaker.translation import invalid, list_answer, read_list, read_tags, time
from lowcloud.core.context import Context
from lowcloud.core.errors import AlreadyExistsError, InvalidError, NotFoundError
from lowcloud.core.identity.access import Caller
from lowcloud.core.serving import endpoints
from lowcloud.core.serving.endpoints import Endpoint, EndpointState, Variant
from lowcloud.store.db import tables

# SDKs look at a new endpoint once and then sleep 30 s, so a look at an endpoint this young waits for it.
PATIENCE_SECONDS = 15.0
POLL_SECONDS = 0.02

STATUS = {
    EndpointState.CREATING: "Creating",
    EndpointState.IN_SERVICE: "InService",
    EndpointState.DELETING: "Deleting",
    EndpointState.FAILED: "Failed",
}


@operation("sagemaker", "CreateEndpoint", refused=("DeploymentConfig",))
def create_endpoint(context: Context, _caller: Caller, request: Request) -> Answer:
    """Its replicas start at once."""
    name, configuration = request["EndpointName"], request["EndpointConfigName"]
    try:
        endpoints.create(context, name, configuration, read_tags(request))
    except AlreadyExistsError as error:
        raise invalid(f"Cannot create already existing endpoint {_arn(context, name)!r}.") from error
    except NotFoundError as error:
        missing = of_sagemaker(
            context, f"{error.kind.replace('endpoint configuration', 'endpoint-config')}/{error.name}"
        )
        raise invalid(f"Could not find {error.kind} {missing!r}.") from error
    return {"EndpointArn": _arn(context, name)}


@operation("sagemaker", "DescribeEndpoint")
async def describe_endpoint(context: Context, _caller: Caller, request: Request) -> Answer:
    """The endpoint as it stands; one younger than PATIENCE_SECONDS is waited for."""
    endpoint = await asyncio.to_thread(_find, context, request["EndpointName"])
    while endpoint.state == EndpointState.CREATING and context.now() < endpoint.created_at + PATIENCE_SECONDS:
        await asyncio.sleep(POLL_SECONDS)
        endpoint = await asyncio.to_thread(_find, context, endpoint.name)
    return describe(context, endpoint)


@operation("sagemaker", "ListEndpoints")
def list_endpoints(context: Context, _caller: Caller, request: Request) -> Answer:
    """Newest first unless asked otherwise."""
    columns = {"CreationTime": "created_at", "Name": "name", "Status": "state"}
    where = []
    if status := request.get("StatusEquals"):
        where.append(tables.endpoints.c.state.in_([state for state, shown in STATUS.items() if shown == status]))
    page = read_list(context, request, tables.endpoints, columns, where)
    found = [endpoints.from_row(row) for row in page.rows]
    return list_answer("Endpoints", [_summary(context, endpoint) for endpoint in found], page)


@operation("sagemaker", "DeleteEndpoint")
def delete_endpoint(context: Context, _caller: Caller, request: Request) -> Answer:
    """From this answer on the endpoint serves nobody; its replicas end right after."""
    try:
        endpoints.request_removal(context, request["EndpointName"])
    except NotFoundError as error:
        raise _not_found(context, request["EndpointName"]) from error
    except InvalidError as error:
        raise invalid(str(error)) from error
    return {}


def describe(context: Context, endpoint: Endpoint) -> dict[str, Any]:
    """An endpoint as Describe and Search tell it."""
    is_serving = endpoint.state == EndpointState.IN_SERVICE
    return {
        **_summary(context, endpoint),
        "EndpointConfigName": endpoint.configuration,
        "ProductionVariants": [_describe_variant(endpoint, variant, is_serving) for variant in endpoint.variants],
        **({"FailureReason": endpoint.failure} if endpoint.failure else {}),
    }


def _find(context: Context, name: str) -> Endpoint:
    try:
        return endpoints.find(context, name)
    except NotFoundError as error:
        raise _not_found(context, name) from error


def _summary(context: Context, endpoint: Endpoint) -> dict[str, Any]:
    return {
        "EndpointName": endpoint.name,
        "EndpointArn": _arn(context, endpoint.name),
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


def _not_found(context: Context, name: str) -> Exception:
    return invalid(f"Could not find endpoint {_arn(context, name)!r}.")


def _arn(context: Context, name: str) -> str:
    return of_sagemaker(context, endpoints.subject(name))
