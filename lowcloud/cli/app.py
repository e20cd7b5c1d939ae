"""Assembles the command line from its groups of commands, and turns errors of the cloud into plain messages."""

import sys
from typing import Annotated, Any

import typer

from lowcloud import __version__
from lowcloud.cli import describe, maintenance
from lowcloud.cli.identity import audit, keys, users
from lowcloud.cli.jobs import jobs, train
from lowcloud.cli.programs import images, run
from lowcloud.cli.server import server
from lowcloud.cli.serving import endpoints
from lowcloud.cli.storage import data
from lowcloud.cli.terminal.output import fail, output
from lowcloud.cli.terminal.parser import Command, Group
from lowcloud.client.json_client import NoAnswerError, RequestRefusedError
from lowcloud.home.settings import NoHomeError

PANELS = {
    "Server": (server.up, server.down, server.status),
    "Programs": (run.run, run.env),
    "Jobs": (train.train, jobs.jobs, describe.describe, jobs.logs, jobs.stop, jobs.interrupt),
    "Models": (endpoints.deploy, endpoints.endpoints, endpoints.predict, endpoints.models, endpoints.delete),
    "Access": (audit.audit,),
    "Data": (data.data, data.rm, maintenance.check, maintenance.backup, maintenance.restore, maintenance.upgrade),
}
HELP_OPTIONS: dict[str, Any] = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    cls=Group, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, context_settings=HELP_OPTIONS
)
for panel, commands in PANELS.items():
    for command in commands:
        settings = {**HELP_OPTIONS, **(run.PASS_THROUGH if command is run.run else {})}
        app.command(cls=Command, rich_help_panel=panel, context_settings=settings)(command)
app.add_typer(images.app, name="image", rich_help_panel="Programs", context_settings=HELP_OPTIONS)
app.add_typer(keys.app, name="keys", rich_help_panel="Access", context_settings=HELP_OPTIONS)
app.add_typer(users.app, name="users", rich_help_panel="Access", context_settings=HELP_OPTIONS)


def main() -> None:
    """Run `lowcloud`. An error that the cloud returns is printed as a message, without a traceback."""
    try:
        app()
    except (RequestRefusedError, NoAnswerError, NoHomeError) as error:
        _end(getattr(error, "code", ""), str(error))
    except Exception as error:
        if not type(error).__module__.startswith("botocore."):  # botocore is loaded only by commands that need it
            raise
        details = getattr(error, "response", {}).get("Error", {})
        _end(details.get("Code", ""), details.get("Message") or str(error))


def _end(code: str, message: str) -> None:
    if code == "UnknownOperationException":
        message += " The server is of an earlier version of Lowcloud; restart it: lowcloud down, then lowcloud up."
    fail(message)
    sys.exit(1)


def _print_version(is_requested: bool) -> None:
    if is_requested:
        output.print(f"lowcloud {__version__}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """A machine-learning cloud on your own machine: runs SageMaker and S3 code locally, without an AWS account."""
