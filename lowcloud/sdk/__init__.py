"""The short way: train(model, data, parameters) gives a Job, its deploy() an Endpoint, its predict(rows) answers.

An ordinary client: everything here goes through the API of a running cloud, by signed requests.
"""

from lowcloud.sdk.endpoints import Endpoint, endpoint
from lowcloud.sdk.errors import (
    CloudUnreachable,
    EndpointFailed,
    InvalidInput,
    JobFailed,
    LowcloudError,
    PredictionFailed,
    Refused,
)
from lowcloud.sdk.jobs import Job, job
from lowcloud.sdk.training import train

__all__ = [
    "CloudUnreachable",
    "Endpoint",
    "EndpointFailed",
    "InvalidInput",
    "Job",
    "JobFailed",
    "LowcloudError",
    "PredictionFailed",
    "Refused",
    "endpoint",
    "job",
    "train",
]
