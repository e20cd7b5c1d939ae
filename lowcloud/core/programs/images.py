"""Registered images: image names and what they mean in this cloud."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Row, select

from lowcloud.catalog import algorithms
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.store.db.tables.programs import images


@dataclass(frozen=True)
class Image:
    """A registered image: a Python environment, requirements, a command or a container."""

    name: str
    created_at: float
    python: str = ""  # the folder of a virtual environment
    requirements: str = ""  # the text of a requirements file
    command: tuple[str, ...] = ()
    is_container: bool = False  # run by docker or podman


def _load(row: Row[Any]) -> Image:
    specification = dict(row.specification)
    return Image(**{**specification, "command": tuple(specification["command"])})


IMAGE = ResourceKind("image", "image", images, _load, has_tags=False)


def register(context: Context, image: Image) -> None:
    """Save what an image name means, replacing what was registered before. Raises InvalidError."""
    if sum(map(bool, (image.python, image.requirements, image.command, image.is_container))) != 1:
        raise InvalidError("Give an image one of: a Python environment, requirements, a command, or a container.")
    if image.python and not _is_environment(image.python):
        raise InvalidError(
            f"{image.python!r} is not a virtual environment: it has no bin/python. Create one with `python -m venv`."
        )
    row = {"name": image.name, "created_at": image.created_at, "specification": asdict(image)}
    with context.database.transaction() as connection:
        connection.execute(images.delete().where(images.c.name == image.name))
        connection.execute(images.insert().values(**row))


def registered(context: Context) -> list[Image]:
    """Return every registered image, by name."""
    with context.database.read() as connection:
        return [_load(row) for row in connection.execute(select(images).order_by(images.c.name))]


def find(context: Context, uri: str) -> Image | None:
    """Return the image registered for exactly this name, or else its repository and tag, or else its repository."""
    match = algorithms.IMAGE.fullmatch(uri)
    names = [uri]
    if match is not None:
        names += [uri.rpartition("/")[2], match["repository"]]
    with context.database.read() as connection:
        rows = connection.execute(select(images).where(images.c.name.in_(names))).all()
    return min(map(_load, rows), key=lambda image: names.index(image.name), default=None)


def _is_environment(folder: str) -> bool:
    try:
        return Path(folder, "bin", "python").exists()
    except OSError:  # a name that is too long for the file system, for example
        return False
