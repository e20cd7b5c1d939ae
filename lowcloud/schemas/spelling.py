"""The name that was meant, when a similar one was given."""

from collections.abc import Iterable
from difflib import get_close_matches

LONGEST = 200  # characters; a comparison takes the product of two lengths, and names come with requests


def did_you_mean(given: object, known: Iterable[object], otherwise: str = "") -> str:
    """Return a question that names the most similar of the known names; `otherwise` if none is similar."""
    names = {str(one).lower(): str(one) for one in known}
    name = str(given).lower()
    close = get_close_matches(name, names, 1) if len(name) <= LONGEST else []
    return f"Did you mean {names[close[0]]!r}?" if close else otherwise
