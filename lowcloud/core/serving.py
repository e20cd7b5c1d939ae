"""Which replica answers a request to an endpoint, and sending it there."""

import asyncio
import random
from collections.abc import Mapping

from lowcloud.core import endpoints
from lowcloud.core.cloud import Cloud
from lowcloud.core.endpoints import Endpoint, State, Variant
from lowcloud.core.errors import CloudError, Invalid, NotFound
from lowcloud.engine.connections import ReplicaAnswer

MODEL_TIMEOUT_SECONDS = 60.0  # as SageMaker gives a model to answer
REPLICA_WAIT_SECONDS = 5.0  # a replica that has just ended is back within this time
REPLICA_POLL_SECONDS = 0.02


class NoReplica(CloudError):
    """No replica of the variant answers."""


class ModelTimeout(CloudError):
    """The model did not answer in time."""


async def invoke(
    cloud: Cloud, name: str, body: bytes, headers: Mapping[str, str], variant_name: str | None = None
) -> tuple[str, ReplicaAnswer]:
    """The variant that answered, chosen by weight unless it is named, and its answer.

    Raises NotFound for the endpoint or the variant, Invalid where the endpoint is not in service, NoReplica and
    ModelTimeout.
    """
    endpoint = cloud.recent.get(("endpoint", name), lambda: endpoints.find(cloud, name))
    if endpoint.state != State.IN_SERVICE:
        raise Invalid(f"The endpoint {name!r} is {endpoint.state}, not in service.")
    variant = _variant(endpoint, variant_name)
    address = await _address(cloud, endpoint, variant)
    try:
        answer = await cloud.connections.post(address, body, headers, MODEL_TIMEOUT_SECONDS)
    except TimeoutError as error:
        raise ModelTimeout(f"The model did not answer within {MODEL_TIMEOUT_SECONDS:.0f} seconds.") from error
    except OSError as error:
        await cloud.connections.forget(address)
        raise NoReplica(f"The replica of {name!r} ended while it answered: {error}") from error
    return variant.name, answer


def _variant(endpoint: Endpoint, name: str | None) -> Variant:
    if name is not None:
        named = [variant for variant in endpoint.variants if variant.name == name]
        if not named:
            raise NotFound("variant", name)
        return named[0]
    if len(endpoint.variants) == 1:
        return endpoint.variants[0]
    weights = [variant.weight for variant in endpoint.variants]
    return random.choices(endpoint.variants, weights if any(weights) else None)[0]


async def _address(cloud: Cloud, endpoint: Endpoint, variant: Variant) -> str:
    """Where one of the variant's replicas listens, waiting a little for one to come back."""
    work_ids = endpoint.work_ids()[variant.name]
    deadline = cloud.now() + REPLICA_WAIT_SECONDS
    while cloud.now() < deadline:
        for work_id in random.sample(work_ids, len(work_ids)):
            if address := cloud.engine.address(work_id, 0):
                return address
        await asyncio.sleep(REPLICA_POLL_SECONDS)
    raise NoReplica(f"No replica of variant {variant.name!r} of {endpoint.name!r} answers. See the endpoint's log.")
