"""The catalogue: which built-in program an image URI names, and what that program takes and reports."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from lowcloud.schemas import Schema, Value
from lowcloud.schemas.linear_learner import SCHEMA as LINEAR_LEARNER

# [registry[:port]/][folders/]repository[:tag][@digest]; registry, account and region do not matter here.
IMAGE = re.compile(r"(?:[^/\s]+/)*(?P<repository>[a-z0-9._-]+)(?::[\w.-]+)?(?:@sha256:[0-9a-f]{64})?")


@dataclass(frozen=True)
class Metric:
    """A number a program prints: `regex` finds it in a log line as its first group."""

    name: str
    regex: str


@dataclass(frozen=True)
class Program:
    """A built-in algorithm: how it is started, which hyperparameters it takes, and what it reports."""

    name: str
    train_command: tuple[str, ...]
    serve_command: tuple[str, ...]
    schema: Schema
    metrics: tuple[Metric, ...]


def resolve(image_uri: str) -> Program | None:
    """The program an image URI names by its repository, or None where it is not a built-in one."""
    match = IMAGE.fullmatch(image_uri)
    return PROGRAMS.get(match["repository"]) if match else None


class UnknownImage(ValueError):
    """An image URI names no program; the message says which there are."""


def find(image_uri: str) -> Program:
    """The program an image URI names. Raises UnknownImage."""
    program = resolve(image_uri)
    if program is None:
        there = ", ".join(sorted(PROGRAMS))
        raise UnknownImage(f"No program is known for the image {image_uri!r}. Built in so far: {there}.")
    return program


def validate(program: Program, hyperparameters: Mapping[str, str]) -> dict[str, Value]:
    """Typed hyperparameters, defaults filled in.

    Raises schemas.InvalidHyperparameters naming every offending hyperparameter with the values it accepts.
    """
    return program.schema.validate(hyperparameters)


LOSSES = {"mse": "mse", "absolute_loss": "absolute_loss"}
SCORES = {
    "binary_classification_accuracy": "binary_classification_accuracy",
    "binary_f_beta": r"binary_f_\S+",
    "precision": "precision",
    "recall": "recall",
    "roc_auc_score": "roc_auc_score",
    "multiclass_accuracy": "multiclass_accuracy",
    "multiclass_top_k_accuracy": r"multiclass_top_k_accuracy_\S+",
    "dcg": "dcg",
    "macro_recall": "macro_recall",
    "macro_precision": "macro_precision",
    "macro_f_beta": r"macro_f_\S+",
}


def _linear_learner_metrics() -> tuple[Metric, ...]:
    metrics = [
        Metric("train:progress", r"#progress_metric: host=\S+, completed (\S+) %"),
        Metric("train:throughput", r"#throughput_metric: host=\S+, train throughput=(\S+) records/second"),
    ]
    for channel in ("train", "validation", "test"):
        line = rf"#quality_metric: host=\S+, {channel}"
        final = "objective_loss" if channel == "test" else "objective_loss:final"
        metrics.append(Metric(f"{channel}:{final}", rf"{line} \S+_objective <loss>=(\S+)"))
        if channel != "test":
            epoch = rf"#quality_metric: host=\S+, epoch=\S+, {channel} \S+_objective <loss>=(\S+)"
            metrics.append(Metric(f"{channel}:objective_loss", epoch))
        metrics += [Metric(f"{channel}:{name}", rf"{line} {found} <loss>=(\S+)") for name, found in LOSSES.items()]
        metrics += [Metric(f"{channel}:{name}", rf"{line} {found} <score>=(\S+)") for name, found in SCORES.items()]
    return tuple(metrics)


PROGRAMS = {
    program.name: program
    for program in (
        Program(
            name="linear-learner",
            train_command=("python", "-m", "lowcloud.runtime.train", "linear-learner"),
            serve_command=("python", "-m", "lowcloud.runtime.serve", "linear-learner"),
            schema=LINEAR_LEARNER,
            metrics=_linear_learner_metrics(),
        ),
    )
}
