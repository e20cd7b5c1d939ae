"""Typed hyperparameters, validated by the server when it receives a request and by the program when it starts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from math import inf, isfinite
from typing import Literal

Value = bool | int | float | str
Rule = Callable[[Mapping[str, Value]], str | None]  # the values -> a sentence about a contradiction, or None

AUTO = "auto"
NEAREST = 3  # names in a message about one that does not exist


class InvalidHyperparametersError(ValueError):
    """Some hyperparameters are invalid; each problem is a sentence that names the hyperparameter."""

    def __init__(self, problems: tuple[str, ...]):
        super().__init__(" ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Hyperparameter:
    """One hyperparameter: its type, range and meaning. `words` are additional values, such as auto."""

    name: str
    kind: Literal["integer", "number", "boolean", "choice", "text"]
    doc: str
    default: Value | None = None
    required: bool = False
    minimum: float = -inf
    maximum: float = inf
    open_minimum: bool = False
    open_maximum: bool = False
    words: tuple[str, ...] = ()
    tunable: bool = False
    alias: str = ""  # another name by which it may be given

    def describe(self) -> str:
        """Describe the accepted values, e.g. "auto or a number above 0 and below 1"."""
        if self.kind == "choice":
            return "one of " + ", ".join(self.words)
        if self.kind == "text":
            return "a text"
        options = [*self.words, "true or false" if self.kind == "boolean" else self._describe_range()]
        return " or ".join(options)

    def parse(self, text: str) -> Value:
        """Return the typed value of a text. Raises ValueError with the accepted values."""
        value = self._read(text.strip())
        if value is None:
            raise ValueError(f"{self.name} must be {self.describe()}, not {text[:80]!r}.")
        return value

    def _read(self, text: str) -> Value | None:
        if text in self.words or (self.kind == "text" and text):
            return text
        if self.kind == "boolean":
            return {"true": True, "1": True, "false": False, "0": False}.get(text.lower())
        if self.kind in ("choice", "text"):
            return None
        try:
            number = int(text) if self.kind == "integer" else float(text)
        except ValueError:
            return None
        return number if isfinite(number) and self._is_inside(number) else None

    def _is_inside(self, number: float) -> bool:
        above = number > self.minimum if self.open_minimum else number >= self.minimum
        below = number < self.maximum if self.open_maximum else number <= self.maximum
        return above and below

    def _describe_range(self) -> str:
        noun = "an integer" if self.kind == "integer" else "a number"
        lower = f"{'above' if self.open_minimum else 'from'} {self.minimum:g}" if self.minimum > -inf else ""
        upper = f"{'below' if self.open_maximum else 'up to'} {self.maximum:g}" if self.maximum < inf else ""
        return " ".join(filter(None, (noun, lower, "and" if lower and upper else "", upper)))


@dataclass(frozen=True)
class Schema:
    """All hyperparameters of one program, and the rules between them; `noun` is the term for them in messages."""

    hyperparameters: tuple[Hyperparameter, ...]
    rules: tuple[Rule, ...] = ()
    noun: str = "Hyperparameter"
    owner: str = "this algorithm"

    def validate(self, texts: Mapping[str, str]) -> dict[str, Value]:
        """Return typed values with defaults. Raises InvalidHyperparametersError with all problems."""
        known = {parameter.name: parameter for parameter in self.hyperparameters}
        texts, problems = self._resolve_aliases(texts)
        problems += [sentence for name in texts if (sentence := self.unknown(name))]
        values: dict[str, Value] = {}
        for name, parameter in known.items():
            try:
                value = parameter.parse(texts[name]) if name in texts else _default(parameter)
            except ValueError as error:
                problems.append(f"{self.noun} {error}")
                continue
            if value is not None:
                values[name] = value
        problems += [sentence for rule in self.rules if (sentence := rule(values))]
        if problems:
            raise InvalidHyperparametersError(tuple(problems))
        return values

    def given(self, texts: Mapping[str, str]) -> dict[str, Value]:
        """Return the typed values without defaults. Raises InvalidHyperparametersError as validate does."""
        values = self.validate(texts)
        return {name: values[name] for name in self._resolve_aliases(texts)[0]}

    def _resolve_aliases(self, texts: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
        """Return the texts by their main names, and a problem for each that was given by both names."""
        aliases = {parameter.alias: parameter.name for parameter in self.hyperparameters if parameter.alias}
        twice = [name for name in texts if aliases.get(name) in texts]
        problems = [
            (f"Hyperparameter {name} is another name of {aliases[name]}: set only one of them.") for name in twice
        ]
        return {aliases.get(name, name): text for name, text in texts.items() if name not in twice}, problems

    def unknown(self, name: str) -> str | None:
        """Return a sentence about a name that is none of these hyperparameters, with the nearest; None if it is one."""
        names = [one for parameter in self.hyperparameters for one in (parameter.name, parameter.alias) if one]
        if name in names:
            return None
        public = [one for one in names if not one.startswith("_")]
        word = name.lower()
        close = get_close_matches(word, public, 1)
        nearest = [one for one in public if word and (word in one or one in word)]
        nearest = list(dict.fromkeys([*nearest, *get_close_matches(word, public, NEAREST, cutoff=0)]))[:NEAREST]
        hint = f"Did you mean {close[0]}?" if close else f"The nearest are {', '.join(nearest)}."
        return f"{self.noun} {name[:80]!r} is not supported by {self.owner}. {hint}"


def _default(parameter: Hyperparameter) -> Value | None:
    if parameter.required:
        raise ValueError(f"{parameter.name} is required: {parameter.describe()}.")
    return parameter.default
