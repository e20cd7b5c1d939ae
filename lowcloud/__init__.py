"""Lowcloud: a machine-learning cloud on your own machines."""

import warnings
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

_FORMER_NAMES = {  # of version 0.1
    "CloudUnreachable": "CloudUnreachableError",
    "EndpointFailed": "EndpointFailedError",
    "InvalidInput": "InvalidInputError",
    "JobFailed": "JobFailedError",
    "PredictionFailed": "PredictionFailedError",
    "Refused": "RefusedError",
}


def __getattr__(name: str) -> object:
    """Load the Python SDK (lowcloud.sdk) when it is first used: servers and replicas do not need it."""
    if name in _FORMER_NAMES:
        warnings.warn(f"lowcloud.{name} is now lowcloud.{_FORMER_NAMES[name]}", DeprecationWarning, stacklevel=2)
        name = _FORMER_NAMES[name]
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lowcloud import sdk

    return getattr(sdk, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
