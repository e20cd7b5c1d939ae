"""Runs the job's script as a framework's container does."""

from __future__ import annotations

import sys
from typing import Any

from lowcloud_toolkit import entry_point
from lowcloud_toolkit.environment import Environment

MASTER_PORT = "7777"


def train(training_environment: Any) -> None:
    """Run the job's script with its hyperparameters as arguments. Raises ExecuteUserScriptError."""
    entry_point.run(
        training_environment.module_dir,
        training_environment.user_entry_point,
        training_environment.to_cmd_args(),
        training_environment.to_env_vars(),
    )


def main() -> None:
    """Run the script of this job."""
    train(Environment())
    sys.exit(0)
