"""Lowcloud: a machine-learning cloud on your own machines."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lowcloud.sdk import (
        CloudUnreachableError,
        Endpoint,
        EndpointFailedError,
        InvalidInputError,
        Job,
        JobFailedError,
        LowcloudError,
        PredictionFailedError,
        RefusedError,
        endpoint,
        job,
        train,
    )

__version__ = "0.2.0.dev0"
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
    "__version__",
    "endpoint",
    "job",
    "train",
]


def __getattr__(name: str) -> object:
    """The short way (lowcloud.sdk), loaded when it is first asked for: servers and replicas do without it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lowcloud import sdk

    return getattr(sdk, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
