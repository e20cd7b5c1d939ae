"""Findings of the checks of policies, by AWS's codes."""

from collections.abc import Sequence
from dataclasses import dataclass

from lowcloud.core.policies.positions import Path

ERROR, SECURITY_WARNING, WARNING, SUGGESTION = "ERROR", "SECURITY_WARNING", "WARNING", "SUGGESTION"


@dataclass(frozen=True)
class Finding:
    """One finding, with where it is in the document."""

    type: str
    code: str
    details: str
    paths: Sequence[Path] = ((),)
    offset: int | None = None  # of a text that is not JSON, in which nothing has a path


def error(code: str, details: str, *paths: Path) -> Finding:
    """Return the finding that a part of a policy does not function."""
    return Finding(ERROR, code, details, paths or ((),))
