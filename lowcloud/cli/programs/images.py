"""The commands that register what image names mean in this cloud: `lowcloud image add`, `list` and `remove`."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from lowcloud.cli.terminal.connection import connect
from lowcloud.cli.terminal.lists import AsJson, print_list
from lowcloud.cli.terminal.output import Home, fail, output, say
from lowcloud.cli.terminal.parser import Command, Group

app = typer.Typer(cls=Group, no_args_is_help=True, help="Register what container image names mean in this cloud.")

NAME_LIMIT = 255
Name = Annotated[str, typer.Argument(help="An image URI, or its repository with or without a tag.")]


@app.command(cls=Command)
def add(
    name: Name,
    python: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="A virtual environment whose Python runs scripts.")
    ] = None,
    requirements: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A requirements file, installed when the image is first used.")
    ] = None,
    command: Annotated[str | None, typer.Option(metavar="COMMAND", help="A command to run as the program.")] = None,
    container: Annotated[bool, typer.Option("--container", help="Run the image with docker or podman.")] = False,
    home: Home = None,
) -> None:
    """Register an image, with exactly one of --python, --requirements, --command and --container."""
    choices = {
        "Python": str(python.expanduser().absolute()) if python else "",
        "Requirements": _read(requirements) if requirements else "",
        "Command": _split(command) if command else [],
        "Container": container,
    }
    given = {member: value for member, value in choices.items() if value}
    _check_name(name)
    connect(home).call("lowcloud", "AddImage", ImageName=name, **given)
    say(f"{name} is registered")
    if command:
        output.print("The command can access the system's programs and /opt/ml, but not your home folder or /tmp.")


@app.command(name="list", cls=Command)
def list_images(as_json: AsJson = False, home: Home = None) -> None:
    """List the registered images."""
    found = connect(home).call("lowcloud", "ListImages")["Images"]
    print_list(
        found, {"Image": lambda image: image["ImageName"], "Runs": _describe}, "images registered", None, as_json
    )


@app.command(cls=Command)
def remove(name: Name, home: Home = None) -> None:
    """Remove the registration of an image."""
    _check_name(name)
    connect(home).call("lowcloud", "RemoveImage", ImageName=name)
    say(f"{name} is removed")


def _check_name(name: str) -> None:
    if not name or len(name) > NAME_LIMIT or any(character.isspace() for character in name):
        raise fail(f"{name!r} is not an image name: write 1 to {NAME_LIMIT} characters without blanks.")


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError as error:
        raise fail(f"--command {command!r} cannot be read as a shell reads it: {str(error).lower()}.") from None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise fail(f"{path} cannot be read: {error.strerror}.") from error


def _describe(image: Mapping[str, Any]) -> str:
    if "Command" in image:
        return shlex.join(image["Command"])
    if "Python" in image:
        return f"scripts, run by {image['Python']}/bin/python"
    return "container, run by docker or podman" if image.get("Container") else "scripts, run with its requirements"
