"""Assembles the command line from its groups of commands, and turns errors of the cloud into plain messages."""

import sys
from typing import Annotated

import typer

from lowcloud import __version__
from lowcloud.cli import images, jobs, maintenance, run, server, train
from lowcloud.cli.terminal import fail, output

PANELS = {
    "Server": (server.up, server.down, server.status),
    "Programs": (run.run, run.env),
    "Jobs and endpoints": (train.train, train.predict, train.stop, jobs.jobs, jobs.logs, jobs.interrupt),
    "Data": (maintenance.check, maintenance.backup, maintenance.restore, maintenance.upgrade),
}

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
for panel, commands in PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel, context_settings=run.PASS_THROUGH if command is run.run else None)(command)
app.add_typer(images.app, name="image", rich_help_panel="Programs")


def main() -> None:
    """Run `lowcloud`. An error that the cloud returns is printed as a message, without a traceback."""
    try:
        app()
    except Exception as error:
        if not type(error).__module__.startswith("botocore."):  # botocore is loaded only by commands that need it
            raise
        details = getattr(error, "response", {}).get("Error", {})
        message = details.get("Message") or str(error)
        if details.get("Code") == "UnknownOperationException":
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
