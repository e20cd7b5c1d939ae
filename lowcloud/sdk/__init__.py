"""The Python SDK: train(model, data, parameters) returns a Job, its deploy() an Endpoint with predict(rows).

It is an ordinary client, which uses only the API of a running cloud, with signed requests.
"""

from lowcloud.sdk.endpoints import Endpoint, endpoint
from lowcloud.sdk.errors import (
    CloudUnreachableError,
    EndpointFailedError,
    InvalidInputError,
    JobFailedError,
    LowcloudError,
    PredictionFailedError,
    RefusedError,
)
from lowcloud.sdk.jobs import Job, job
from lowcloud.sdk.planned_jobs import measure
from lowcloud.sdk.training import train

__all__ = [
    "CloudUnreachableError",
    "Endpoint",
    "EndpointFailedError",
    "InvalidInputError",
    "Job",
    "JobFailedError",
    "LowcloudError",
    "PredictionFailedError",
    "RefusedError",
    "endpoint",
    "job",
    "measure",
    "train",
]
