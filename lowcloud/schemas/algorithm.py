"""The type of catalogue entries of built-in algorithms; each entry is in the module of its hyperparameters."""

from dataclasses import dataclass

from lowcloud.schemas import Schema


@dataclass(frozen=True)
class Metric:
    """A metric that a program prints: the first group of `regex` in a log line."""

    name: str
    regex: str


@dataclass(frozen=True)
class Algorithm:
    """A built-in algorithm: its images, commands, hyperparameters, metrics and dependencies.

    `images` are repositories of image URIs. `modules` must be importable where it runs; `requirements` install them.
    """

    name: str
    images: tuple[str, ...]
    train_command: tuple[str, ...]
    serve_command: tuple[str, ...]
    schema: Schema
    metrics: tuple[Metric, ...]
    modules: tuple[str, ...] = ("numpy",)
    requirements: tuple[str, ...] = ()
