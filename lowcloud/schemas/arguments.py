"""Arguments of a program, as a processing job or a shell gives them, into the texts that a Schema checks."""

from collections.abc import Callable, Iterable, Sequence

from lowcloud.schemas import InvalidHyperparametersError


def read(arguments: Sequence[str]) -> dict[str, str]:
    """{name: text} of `--name text`, `--name=text` and `name=text`; a `--name` alone is true, and - in a name is _.

    Raises InvalidHyperparametersError where a word belongs to no name, or a name comes twice.
    """
    texts: dict[str, str] = {}
    waiting: str | None = None  # a --name whose text may follow
    problems = []
    for word in arguments:
        if word.startswith("--"):
            name, equals, text = word[2:].partition("=")
            waiting = None if equals else _name(name)
        elif waiting is not None:
            texts[waiting], waiting = word, None
            continue
        else:
            name, equals, text = word.partition("=")
            if not equals:
                problems.append(f"Argument {word[:80]!r} belongs to no name: write --name value.")
                continue
        if _name(name) in texts:
            problems.append(f"Argument {_name(name)} is given twice.")
        texts[_name(name)] = text if equals else "true"
    if problems:
        raise InvalidHyperparametersError(tuple(problems))
    return texts


def names(text: object) -> tuple[str, ...]:
    """The names of a list "a, b, c"."""
    return tuple(name.strip() for name in str(text or "").split(",") if name.strip())


def pairs(text: object) -> dict[str, str]:
    """{name: word} of "a=mean, b=median". Raises ValueError with a sentence."""
    found = {}
    for part in names(text):
        name, equals, word = part.rpartition("=")
        if not equals or not name.strip() or not word.strip():
            raise ValueError(f"{part!r} is not like column=word.")
        found[name.strip()] = word.strip()
    return found


def pairs_rule(argument: str, words: Iterable[str]) -> "Callable[..., str | None]":
    """A rule of a Schema: the argument is a list column=word, each word one of `words`."""
    allowed = tuple(words)

    def rule(values: dict[str, object]) -> str | None:
        try:
            bad = [word for word in pairs(values.get(argument)).values() if word not in allowed]
        except ValueError as error:
            return f"Argument {argument}: {error}"
        return f"Argument {argument}: {bad[0]!r} is none of {', '.join(allowed)}." if bad else None

    return rule


def _name(text: str) -> str:
    return text.strip().replace("-", "_")
