"""The texts of elements that are a text or a list of texts, with their places."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lowcloud.api.aws.access.policy_checks.findings import SUGGESTION, Finding, error
from lowcloud.core.patterns import wildcard_pattern
from lowcloud.core.policies.positions import Path

_COMPARISONS = 200_000  # of a statement's texts with its patterns, beyond which none is looked for

Text = tuple[str, Path]


def texts_of(statement: Mapping[str, Any], path: Path, *names: str) -> list[Text]:
    """Return the texts of these elements of a statement."""
    found: list[Text] = []
    for name in names:
        value = statement.get(name, [])
        if isinstance(value, list):
            found += [(one, (*path, name, number)) for number, one in enumerate(value) if isinstance(one, str)]
        elif isinstance(value, str):
            found.append((value, (*path, name)))
    return found


def check_types(statement: Mapping[str, Any], path: Path, *names: str) -> Iterator[Finding]:
    """Yield the elements that are no texts, and those that are empty."""
    for name in names:
        value = statement.get(name, "*")
        listed = value if isinstance(value, list) else [value]
        if not listed:
            details = f"This statement includes no {name} and does not affect the policy. Specify one."
            yield Finding(SUGGESTION, f"EMPTY_ARRAY_{name.upper().removeprefix('NOT')}", details, [(*path, name)])
        elif not all(isinstance(one, str) for one in listed):
            details = "The text does not match the expected JSON data type string."
            yield error("DATA_TYPE_MISMATCH", details, (*path, name))


def check_redundancy(found: Sequence[Text], noun: str) -> Iterator[Finding]:
    """Yield one finding for the texts of a statement that another one covers."""
    patterns = {text for text, _ in found if "*" in text or "?" in text}
    if len(patterns) * len(found) > _COMPARISONS:
        return
    seen: set[str] = set()
    redundant: list[Text] = []
    for text, path in found:
        if text in seen or any(one != text and wildcard_pattern(one).matches(text) for one in patterns):
            redundant.append((text, path))
        seen.add(text)
    if redundant:
        details = (
            f"The {len(redundant)} {noun}(s) are redundant because they provide similar permissions. Update the policy "
            f"to remove the redundant {noun} such as: {redundant[0][0][:128]}."
        )
        yield Finding(SUGGESTION, f"REDUNDANT_{noun.upper()}", details, [path for _, path in redundant])
