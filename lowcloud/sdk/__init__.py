"""The short way: train(model, data, parameters) gives a Job, its deploy() an Endpoint, its predict(rows) answers.

An ordinary client: everything here goes through the API of a running cloud, by signed requests.
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
    "train",
]
