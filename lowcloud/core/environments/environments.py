"""Python environments: contents, keys, which ones are in use, and the deletion of unused ones."""

import hashlib
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lowcloud.core.context import Context
from lowcloud.core.environments.requirements import Requirements
from lowcloud.core.resource_kind import PeriodicTask

KEY_CHARACTERS = 32


@dataclass(frozen=True)
class EnvironmentSpec:
    """The contents of an environment in addition to the interpreter that Lowcloud runs with."""

    requirements: tuple[str, ...]
    constraints: tuple[str, ...] = ()
    code: str = ""  # a digest of the source archive if a requirement is a path in it

    @property
    def needs_code(self) -> bool:
        """Whether the source archive must be at `code` while it is built."""
        return bool(self.code)


def of_job(framework: tuple[str, ...], requested: Requirements | None) -> EnvironmentSpec | None:
    """Return the environment of a framework's requirements and those of the job's own code; None if neither has any.

    A requirement of the job replaces the framework's requirement of the same distribution.
    """
    if requested is None:
        return EnvironmentSpec(framework) if framework else None
    own = {_distribution(line) for line in requested.lines}
    left = (line for line in framework if _distribution(line) not in own)
    return EnvironmentSpec((*left, *requested.lines), requested.constraints, requested.code)


def key(environment: EnvironmentSpec) -> str:
    """Return a digest of what determines the environment: requirements, Python and the packages of its base."""
    content = json.dumps([asdict(environment), sys.version, sys.platform, sys.prefix, _base_packages()])
    return hashlib.sha256(content.encode()).hexdigest()[:KEY_CHARACTERS]


def in_use(context: Context) -> set[str]:
    """Return the environments that records of any kind rely on; see Work.environment."""
    names: set[str] = set()
    with context.database.read() as connection:
        for kind in context.kinds:
            if kind.environments_in_use:
                names |= kind.environments_in_use(connection, kind.table)
    return names - {""}


def step(context: Context, _progress: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
    """Delete environments that were not used for a long time, once a day; see PeriodicTask.step."""
    day = context.settings.day_seconds
    unused_since = context.now() - context.settings.environment_days * day
    old = {name for name, used_at in context.engine.environments().items() if used_at < unused_since}
    for name in sorted(old - in_use(context)):
        context.engine.delete_environment(name, unused_since)
    return {}, day


CLEANUP = PeriodicTask("environments", step)


def _distribution(requirement: str) -> str:
    """Return the distribution that a requirement names, normalized as package indexes compare names.

    A build for CPUs counts as the distribution it is a build of: both have the same modules.
    """
    named = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", named[0]).lower().removesuffix("-cpu") if named else ""


def _base_packages() -> list[str]:
    """Return the packages of this interpreter, by the names of their metadata folders, which include their versions."""
    folders = [Path(folder) for folder in sys.path if folder.endswith(("site-packages", "dist-packages"))]
    return sorted(
        entry.name for folder in folders if folder.is_dir() for entry in folder.glob("*-info") if entry.is_dir()
    )
