"""The commands that register what image names mean in this cloud: `lowcloud image add`, `list` and `remove`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from lowcloud.cli.connection import connect
from lowcloud.cli.terminal import Home, fail, output

app = typer.Typer(no_args_is_help=True, help="Register what container image names mean in this cloud.")

Name = Annotated[str, typer.Argument(help="An image URI, or its repository with or without a tag.")]


@app.command()
def add(
    name: Name,
    python: Annotated[Path | None, typer.Option(help="A virtual environment whose Python runs scripts.")] = None,
    requirements: Annotated[
        Path | None, typer.Option(help="A requirements file, installed when the image is first used.")
    ] = None,
    command: Annotated[str | None, typer.Option(help="A command to run as the program.")] = None,
    container: Annotated[bool, typer.Option("--container", help="Run the image with docker or podman.")] = False,
    home: Home = None,
) -> None:
    """Register an image, with exactly one of --python, --requirements, --command and --container."""
    choices = {
        "Python": str(python.expanduser().absolute()) if python else "",
        "Requirements": _read(requirements) if requirements else "",
        "Command": shlex.split(command) if command else [],
        "Container": container,
    }
    given = {member: value for member, value in choices.items() if value}
    connect(home, "lowcloud").add_image(ImageName=name, **given)
    output.print(f"{name} is registered", markup=False)
    if command:
        output.print("The command can access the system's programs and /opt/ml, but not your home folder or /tmp.")


@app.command(name="list")
def list_images(home: Home = None) -> None:
    """List the registered images."""
    found = connect(home, "lowcloud").list_images()["Images"]
    if not found:
        output.print("No images registered yet")
        return
    width = max(len(image["ImageName"]) for image in found)
    for image in found:
        output.print(f"{image['ImageName']:{width}}  {_describe(image)}", markup=False)


@app.command()
def remove(name: Name, home: Home = None) -> None:
    """Remove the registration of an image."""
    connect(home, "lowcloud").remove_image(ImageName=name)
    output.print(f"{name} is removed", markup=False)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise fail(f"{path} cannot be read: {error.strerror}.") from error


def _describe(image: dict[str, object]) -> str:
    if "Command" in image:
        return shlex.join(image["Command"])  # type: ignore[arg-type]
    if "Python" in image:
        return f"scripts, run by {image['Python']}/bin/python"
    return "container, run by docker or podman" if image.get("Container") else "scripts, run with its requirements"
