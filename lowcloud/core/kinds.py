"""The registry: every kind of resource and every periodic task of a cloud.

Nothing lists them: a module anywhere in core that has a ResourceKind or a PeriodicTask as a constant registers it.
"""

import importlib
import pkgutil
from collections.abc import Iterator

from lowcloud import core
from lowcloud.core.resource_kind import PeriodicTask, Registry, ResourceKind


def discover() -> Registry:
    """Return the registry of all kinds and tasks, sorted by their prefixes and names."""
    constants = {id(one): one for one in _constants()}.values()  # modules import each other's constants
    kinds = sorted((one for one in constants if isinstance(one, ResourceKind)), key=lambda kind: kind.prefix)
    tasks = sorted((one for one in constants if isinstance(one, PeriodicTask)), key=lambda task: task.name)
    return Registry(tuple(kinds), tuple(tasks))


def _constants() -> Iterator[object]:
    for found in pkgutil.walk_packages(core.__path__, f"{core.__name__}."):
        if found.name != __name__:
            yield from vars(importlib.import_module(found.name)).values()
