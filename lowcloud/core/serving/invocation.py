"""The invocation of an endpoint: the choice of a replica, and the request to it."""

import asyncio
import random
from collections.abc import Mapping
from contextlib import suppress

from lowcloud.core import resources
from lowcloud.core.context import CACHE_SECONDS, Context
from lowcloud.core.errors import CloudError, InvalidError, NotFoundError
from lowcloud.core.serving.endpoint_records import SEE_LOG, Endpoint, EndpointState, Variant
from lowcloud.core.serving.endpoints import ENDPOINT
from lowcloud.engine.connections import NotConnectedError, ReplicaResponse

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
    endpoint = _find(context, name)
    deadline = context.now() + REPLICA_WAIT_SECONDS
    while True:
        variant = _variant(endpoint, variant_name)
        if address := _address(context, endpoint, variant):
            with suppress(NotConnectedError):
                return variant.name, await _post(context, name, address, body, headers)
        if context.now() > deadline:
            why = endpoint.failure or SEE_LOG.format(name=name)
            raise NoReplicaError(f"No replica of variant {variant.name!r} of {name!r} answers. {why}")
        await asyncio.sleep(REPLICA_POLL_SECONDS)
        endpoint = _find(context, name, REPLICA_POLL_SECONDS)  # it may be another one of this name by now


def _find(context: Context, name: str, max_age_seconds: float = CACHE_SECONDS) -> Endpoint:
    """Return the endpoint. Raises NotFoundError, and InvalidError if it is not in service."""

    def read(max_age_seconds: float) -> Endpoint:
        return context.cache.get(("endpoint", name), lambda: resources.find(context, ENDPOINT, name), max_age_seconds)

    endpoint = read(max_age_seconds)
    if endpoint.state != EndpointState.IN_SERVICE:
        endpoint = read(0.0)  # another process may have put it in service a moment ago
    if endpoint.state != EndpointState.IN_SERVICE:
        raise InvalidError(f"The endpoint {name!r} is {endpoint.state}, not in service.")
    return endpoint


async def _post(context: Context, name: str, address: str, body: bytes, headers: Mapping[str, str]) -> ReplicaResponse:
    """Raises NotConnectedError, NoReplicaError and ModelTimeoutError."""
    try:
        return await context.connections.post(address, body, headers, MODEL_TIMEOUT_SECONDS)
    except NotConnectedError:
        raise
    except TimeoutError as error:
        raise ModelTimeoutError(f"The model did not answer within {MODEL_TIMEOUT_SECONDS:.0f} seconds.") from error
    except OSError as error:
        await context.connections.close_idle(address)
        raise NoReplicaError(f"The replica of {name!r} ended while it answered: {error}") from error


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


def _address(context: Context, endpoint: Endpoint, variant: Variant) -> str | None:
    """Return the address of one of the variant's replicas, or None while all of them are being restarted."""
    work_ids = endpoint.work_ids()[variant.name]
    for work_id in random.sample(work_ids, len(work_ids)):
        if address := context.engine.address(work_id, 0):
            return address
    return None
