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


def newest_version() -> int:
    """The version of the schema that the tables of this release have."""
    return max(_modules())


def newer_than(version: int) -> Sequence[Migration]:
    """Return the steps from a version of the schema to the newest, in order."""
    return [_load(number, name) for number, name in sorted(_modules().items()) if number > version]


def _modules() -> dict[int, str]:
    """The name of the module of each version. Raises ValueError if two have the same number."""
    modules: dict[int, str] = {}
    for module in pkgutil.iter_modules(__path__):
        if match := _NAME.fullmatch(module.name):
            if other := modules.get(int(match[1])):
                raise ValueError(f"{other} and {module.name} are both migrations to version {int(match[1])}")
            modules[int(match[1])] = module.name
    return modules


def _load(version: int, name: str) -> Migration:
    module = importlib.import_module(f"{__name__}.{name}")
    title = (module.__doc__ or "").partition("\n")[0].rstrip(".")
    return Migration(version, title, module.upgrade)
