"""The catalogue: which built-in program an image URI names. What each takes and reports stands in lowcloud.schemas."""

import re
from collections.abc import Mapping

from lowcloud.schemas import Value, linear_learner, xgboost
from lowcloud.schemas.program import Algorithm, Metric

__all__ = ["PROGRAMS", "Algorithm", "Metric", "UnknownAlgorithmError", "find", "resolve", "validate"]

PROGRAMS = (linear_learner.PROGRAM, xgboost.RELEASE_0_72, xgboost.PROGRAM)
IMAGES = {image: program for program in PROGRAMS for image in program.images}

# [registry[:port]/][folders/]repository[:tag][@digest]; registry, account and region do not matter here.
IMAGE = re.compile(r"(?:[^/\s]+/)*(?P<repository>[a-z0-9._-]+)(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?")


def resolve(image_uri: str) -> Algorithm | None:
    """The program an image URI names by its repository, or None where it is not a built-in one."""
    match = IMAGE.fullmatch(image_uri)
    return IMAGES.get(match["repository"]) if match else None


class UnknownAlgorithmError(ValueError):
    """An image URI names no program; the message says which there are."""


def find(image_uri: str) -> Algorithm:
    """The program an image URI names. Raises UnknownAlgorithmError."""
    program = resolve(image_uri)
    if program is None:
        there = ", ".join(sorted(IMAGES))
        raise UnknownAlgorithmError(f"No program is known for the image {image_uri!r}. Built in so far: {there}.")
    return program


def validate(program: Algorithm, hyperparameters: Mapping[str, str]) -> dict[str, Value]:
    """Typed hyperparameters, defaults filled in.

    Raises schemas.InvalidHyperparameters naming every offending hyperparameter with the values it accepts.
    """
    return program.schema.validate(hyperparameters)
