"""The numbered steps from each version of the schema to the next; docs/migrations.md says how to add one.

A module `NNNN_subject.py` holds the step to version NNNN: a docstring whose first line says what it does, and
`upgrade(op)`, which does it with Alembic's operations. It never imports the tables, which change after it.
"""

import importlib
import pkgutil
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alembic.operations import Operations  # loaded only where there is something to upgrade: it takes 0.3 s

_NAME = re.compile(r"(\d{4})_\w+")


@dataclass(frozen=True)
class Migration:
    """One step, to `version`."""

    version: int
    title: str
    upgrade: Callable[["Operations"], None]


def oldest_version() -> int:
    """Return the oldest version of the schema that can be upgraded."""
    return min(_modules()) - 1


def newer_than(version: int) -> Sequence[Migration]:
    """Return the steps from a version of the schema to the newest, in order."""
    return [_load(number, name) for number, name in sorted(_modules().items()) if number > version]


def _modules() -> dict[int, str]:
    names = (module.name for module in pkgutil.iter_modules(__path__))
    return {int(match[1]): match[0] for name in names if (match := _NAME.fullmatch(name))}


def _load(version: int, name: str) -> Migration:
    module = importlib.import_module(f"{__name__}.{name}")
    title = (module.__doc__ or "").partition("\n")[0].rstrip(".")
    return Migration(version, title, module.upgrade)
