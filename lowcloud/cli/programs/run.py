"""The commands that give a program this cloud as its AWS: `lowcloud run` and `env`."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from lowcloud.cli.terminal.connection import load_settings
from lowcloud.cli.terminal.output import Home, fail, note
from lowcloud.home import launcher
from lowcloud.home.settings import EXECUTION_ROLE

PASS_THROUGH = {"ignore_unknown_options": True, "allow_interspersed_args": False}  # the command's options are its own
CANNOT_RUN_EXIT_CODE = 127  # as shells have it
As = Annotated[
    str, typer.Option("--as", metavar="NAME", help="The role or user whose rights the command has, or root.")
]


def run(
    command: Annotated[list[str], typer.Argument(help="The command and its arguments.")],
    identity: As = EXECUTION_ROLE,
    home: Home = None,
) -> None:
    """Run a command whose AWS clients all use this cloud. Starts the server if it is not running."""
    environment = _client_environment(home, identity)
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        raise fail(f"{command[0]} cannot be run: {error.strerror}.", CANNOT_RUN_EXIT_CODE) from error


def env(identity: As = EXECUTION_ROLE, home: Home = None) -> None:
    """Print the environment of `run` as shell commands: eval "$(lowcloud env)"."""
    from lowcloud.client import aws_clients

    environment = _client_environment(home, identity)
    for name in sorted(set(os.environ) - set(environment)):
        print(f"unset {name}")
    for name, value in sorted(aws_clients.changed_variables(environment, os.environ).items()):
        print(f"export {name}={shlex.quote(value)}")


def _client_environment(home: Path | None, identity: str) -> Mapping[str, str]:
    from lowcloud.client import aws_clients

    settings = load_settings(home)
    try:
        endpoint = launcher.ensure_running(settings, note)
    except launcher.CannotStartError as error:
        raise fail(str(error)) from error
    try:
        return aws_clients.client_environment_of(settings, endpoint, os.environ, identity)
    except aws_clients.NoSuchIdentityError as error:
        raise fail(str(error)) from error
