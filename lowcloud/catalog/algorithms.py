"""The built-in algorithms by image URI. Their hyperparameters and metrics are in lowcloud.schemas."""

import re
from collections.abc import Mapping

from lowcloud.schemas import Value, linear_learner, xgboost
from lowcloud.schemas.algorithm import Algorithm, Metric

__all__ = ["ALGORITHMS", "Algorithm", "Metric", "UnknownAlgorithmError", "find", "resolve", "validate"]

ALGORITHMS = (linear_learner.ALGORITHM, xgboost.RELEASE_0_72, xgboost.ALGORITHM)
IMAGES = {image: algorithm for algorithm in ALGORITHMS for image in algorithm.images}

# [registry[:port]/][folders/]repository[:tag][@digest]; registry, account and region are ignored.
IMAGE = re.compile(r"(?:[^/\s]+/)*(?P<repository>[a-z0-9._-]+)(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?")


def resolve(image_uri: str) -> Algorithm | None:
    """Return the algorithm with the repository of an image URI, or None if there is none."""
    match = IMAGE.fullmatch(image_uri)
    return IMAGES.get(match["repository"]) if match else None


class UnknownAlgorithmError(ValueError):
    """An image URI is not that of a built-in algorithm; the message lists those that exist."""


def find(image_uri: str) -> Algorithm:
    """Return the algorithm of an image URI. Raises UnknownAlgorithmError."""
    algorithm = resolve(image_uri)
    if algorithm is None:
        known = ", ".join(sorted(IMAGES))
        raise UnknownAlgorithmError(f"There is no algorithm for the image {image_uri!r}. Built-in images: {known}.")
    return algorithm


def validate(algorithm: Algorithm, hyperparameters: Mapping[str, str]) -> dict[str, Value]:
    """Return typed hyperparameters with defaults.

    Raises schemas.InvalidHyperparametersError naming every invalid hyperparameter with its accepted values.
    """
    return algorithm.schema.validate(hyperparameters)
