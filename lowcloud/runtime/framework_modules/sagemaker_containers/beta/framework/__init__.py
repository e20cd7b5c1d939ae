"""What frameworks' containers and their scripts import from the former training toolkit."""

from lowcloud_toolkit.environment import Environment as training_env

from sagemaker_containers.beta.framework import (
    content_types,
    encoders,
    entry_point,
    env,
    errors,
    files,
    functions,
    logging,
    mapping,
    modules,
    params,
    runner,
    server,
    transformer,
    worker,
)

__all__ = [
    "content_types",
    "encoders",
    "entry_point",
    "env",
    "errors",
    "files",
    "functions",
    "logging",
    "mapping",
    "modules",
    "params",
    "runner",
    "server",
    "training_env",
    "transformer",
    "worker",
]
