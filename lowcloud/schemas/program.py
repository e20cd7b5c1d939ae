"""What the catalogue says of one built-in program; its entry stands beside its hyperparameters, in a module here."""

from dataclasses import dataclass

from lowcloud.schemas import Schema


@dataclass(frozen=True)
class Metric:
    """A number a program prints: `regex` finds it in a log line as its first group."""

    name: str
    regex: str


@dataclass(frozen=True)
class Algorithm:
    """A built-in algorithm: which images name it, how it is started, what it takes and reports, and what it needs.

    `images` are repositories of image URIs. `modules` must be importable where it runs, and `requirements` bring them
    where they are not.
    """

    name: str
    images: tuple[str, ...]
    train_command: tuple[str, ...]
    serve_command: tuple[str, ...]
    schema: Schema
    metrics: tuple[Metric, ...]
    modules: tuple[str, ...] = ("numpy",)
    requirements: tuple[str, ...] = ()
