"""The commands that teach a cloud what image names mean here: `lowcloud image add`, `list` and `remove`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from lowcloud.cli.connection import connect
from lowcloud.cli.terminal import Home, failure, output

app = typer.Typer(no_args_is_help=True, help="Say what an image name means here.")

Name = Annotated[str, typer.Argument(help="An image URI, or its repository with or without a tag.")]


@app.command()
def add(
    name: Name,
    python: Annotated[Path | None, typer.Option(help="A virtual environment whose Python runs scripts.")] = None,
    requirements: Annotated[Path | None, typer.Option(help="A requirements file, installed at the first use.")] = None,
    command: Annotated[str | None, typer.Option(help="A command that is the program.")] = None,
    container: Annotated[bool, typer.Option("--container", help="Let docker or podman run the image.")] = False,
    home: Home = None,
) -> None:
    """Say what an image name means, with exactly one of the options."""
    meaning = {
        "Python": str(python.expanduser().absolute()) if python else "",
        "Requirements": _read(requirements) if requirements else "",
        "Command": shlex.split(command) if command else [],
        "Container": container,
    }
    given = {member: value for member, value in meaning.items() if value}
    connect(home, "lowcloud").add_image(ImageName=name, **given)
    output.print(f"{name} is known", markup=False)
    if command:
        output.print("Where it runs it sees the system's programs and /opt/ml, but neither your home nor this /tmp.")


@app.command(name="list")
def list_images(home: Home = None) -> None:
    """Show what was said of images."""
    found = connect(home, "lowcloud").list_images()["Images"]
    if not found:
        output.print("No image was taught yet")
        return
    width = max(len(image["ImageName"]) for image in found)
    for image in found:
        output.print(f"{image['ImageName']:{width}}  {_meaning(image)}", markup=False)


@app.command()
def remove(name: Name, home: Home = None) -> None:
    """Forget what was said of an image."""
    connect(home, "lowcloud").remove_image(ImageName=name)
    output.print(f"{name} is forgotten")


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise failure(f"{path} cannot be read: {error.strerror}.") from error


def _meaning(image: dict[str, object]) -> str:
    if "Command" in image:
        return shlex.join(image["Command"])  # type: ignore[arg-type]
    if "Python" in image:
        return f"scripts, run by {image['Python']}/bin/python"
    return "docker or podman" if image.get("Container") else "scripts, run with the packages of its requirements"
