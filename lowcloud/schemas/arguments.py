"""Parses the arguments of a program, as given by a processing job or a shell, to texts that a Schema validates."""

from collections.abc import Callable, Iterable, Sequence

from lowcloud.schemas import InvalidHyperparametersError


def parse_arguments(arguments: Sequence[str]) -> dict[str, str]:
    """Parse `--name text`, `--name=text` and `name=text` to {name: text}; `--name` alone is true, - in names becomes _.

    Raises InvalidHyperparametersError if a word belongs to no name, or a name occurs twice.
    """
    texts: dict[str, str] = {}
    pending: str | None = None  # a --name whose text may follow
    problems = []
    for word in arguments:
        if word.startswith("--"):
            name, equals, text = word[2:].partition("=")
            pending = None if equals else _name(name)
        elif pending is not None:
            texts[pending], pending = word, None
            continue
        else:
            name, equals, text = word.partition("=")
            if not equals:
                problems.append(f"Argument {word[:80]!r} has no name: write --name value.")
                continue
        if _name(name) in texts:
            problems.append(f"Argument {_name(name)} is given twice.")
        texts[_name(name)] = text if equals else "true"
    if problems:
        raise InvalidHyperparametersError(tuple(problems))
    return texts


def parse_names(text: object) -> tuple[str, ...]:
    """Parse a list "a, b, c"."""
    return tuple(name.strip() for name in str(text or "").split(",") if name.strip())


def parse_pairs(text: object) -> dict[str, str]:
    """Parse "a=mean, b=median" to {name: word}. Raises ValueError with a sentence."""
    found = {}
    for part in parse_names(text):
        name, equals, word = part.rpartition("=")
        if not equals or not name.strip() or not word.strip():
            raise ValueError(f"{part!r} does not have the form column=word.")
        found[name.strip()] = word.strip()
    return found


def build_pairs_rule(argument: str, words: Iterable[str]) -> "Callable[..., str | None]":
    """Return a rule for a Schema: the argument is a list of column=word, with each word one of `words`."""
    allowed = tuple(words)

    def rule(values: dict[str, object]) -> str | None:
        try:
            bad = [word for word in parse_pairs(values.get(argument)).values() if word not in allowed]
        except ValueError as error:
            return f"Argument {argument}: {error}"
        return f"Argument {argument}: {bad[0]!r} is not one of {', '.join(allowed)}." if bad else None

    return rule


def _name(text: str) -> str:
    return text.strip().replace("-", "_")
