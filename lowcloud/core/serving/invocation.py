"""The invocation of an endpoint: the choice of a replica, and the request to it."""

import asyncio
import random
from collections.abc import Mapping

from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import CloudError, InvalidError, NotFoundError
from lowcloud.core.serving.endpoint_records import Endpoint, EndpointState, Variant
from lowcloud.core.serving.endpoints import ENDPOINT
from lowcloud.engine.connections import ReplicaResponse

MODEL_TIMEOUT_SECONDS = 60.0  # SageMaker's limit for a model to answer
REPLICA_WAIT_SECONDS = 5.0  # a replica that has just ended is restarted within this time
REPLICA_POLL_SECONDS = 0.02


class NoReplicaError(CloudError):
    """No replica of the variant is available."""


class ModelTimeoutError(CloudError):
    """The model did not answer in time."""


async def invoke(
    context: Context, name: str, body: bytes, headers: Mapping[str, str], variant_name: str | None = None
) -> tuple[str, ReplicaResponse]:
    """Send a request to a replica; return the variant, which is chosen by weight unless it is named, and the answer.

    Raises NotFoundError for the endpoint or the variant, InvalidError if the endpoint is not in service,
    NoReplicaError and ModelTimeoutError.
    """
    endpoint = context.cache.get(("endpoint", name), lambda: resources.find(context, ENDPOINT, name))
    if endpoint.state != EndpointState.IN_SERVICE:
        raise InvalidError(f"The endpoint {name!r} is {endpoint.state}, not in service.")
    variant = _variant(endpoint, variant_name)
    address = await _address(context, endpoint, variant)
    try:
        answer = await context.connections.post(address, body, headers, MODEL_TIMEOUT_SECONDS)
    except TimeoutError as error:
        raise ModelTimeoutError(f"The model did not answer within {MODEL_TIMEOUT_SECONDS:.0f} seconds.") from error
    except OSError as error:
        await context.connections.close_idle(address)
        raise NoReplicaError(f"The replica of {name!r} ended while it answered: {error}") from error
    return variant.name, answer


def _variant(endpoint: Endpoint, name: str | None) -> Variant:
    if name is not None:
        named = [variant for variant in endpoint.variants if variant.name == name]
        if not named:
            raise NotFoundError("variant", name)
        return named[0]
    if len(endpoint.variants) == 1:
        return endpoint.variants[0]
    weights = [variant.weight for variant in endpoint.variants]
    return random.choices(endpoint.variants, weights if any(weights) else None)[0]


async def _address(context: Context, endpoint: Endpoint, variant: Variant) -> str:
    """Return the address of one of the variant's replicas, after a short wait if all are being restarted."""
    work_ids = endpoint.work_ids()[variant.name]
    deadline = context.now() + REPLICA_WAIT_SECONDS
    while context.now() < deadline:
        for work_id in random.sample(work_ids, len(work_ids)):
            if address := context.engine.address(work_id, 0):
                return address
        await asyncio.sleep(REPLICA_POLL_SECONDS)
    raise NoReplicaError(
        f"No replica of variant {variant.name!r} of {endpoint.name!r} answers. See the endpoint's log."
    )
