"""Texts of policies with wildcards and variables: `arn:aws:s3:::home/${aws:username}/*`.

Source: IAM User Guide, "IAM policy elements: Variables and tags".
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from lowcloud.core.patterns import Wildcard, WildcardPattern, wildcard_tokens
from lowcloud.core.policies.requests import Facts

ARN_PARTS = 6  # arn:partition:service:region:account:resource

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_WITH_DEFAULT = re.compile(r"\s*([^\s,]+)\s*,\s*'([^']*)'\s*")
_CHARACTERS = ("*", "?", "$")  # ${*} stands for the character itself

Token = str | Wildcard


@dataclass(frozen=True)
class Variable:
    """A variable: it stands for the one value of a condition key, in which * and ? are no wildcards."""

    key: str  # in lower case
    default: str | None = None

    def value(self, facts: Facts) -> str | None:
        """Return its value, or None if the request has none or several."""
        values = facts.get(self.key)
        return values[0] if values is not None and len(values) == 1 else self.default


@dataclass(frozen=True)
class Template:
    """One text of a policy. In policies of 2008, which have no variables, ${...} stands for itself."""

    text: str
    has_variables: bool = True

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """The condition keys of its variables, in lower case."""
        return tuple(part.key for part in self._parts if isinstance(part, Variable))

    def plain(self, facts: Facts) -> str | None:
        """Return the text with the values of variables and without wildcards; None if a variable has no value."""
        tokens = _fill(self._parts, facts)
        return None if tokens is None else "".join(_literal(token) for token in tokens)

    def matches(self, text: str, facts: Facts) -> bool:
        """Return whether a complete text matches; a variable without a value matches nothing."""
        pattern = self._fixed or _filled_pattern(self._parts, facts)
        return pattern is not None and pattern.matches(text)

    def matches_arn(self, arn: str, facts: Facts) -> bool:
        """Return whether an ARN matches part by part: a wildcard does not stand for the colons between parts."""
        if self.text == "*":
            return True
        parts = arn.split(":", ARN_PARTS - 1)
        if len(parts) != len(self._arn_parts):
            return False
        if self._fixed_arn_parts is not None:
            patterns: Iterable[WildcardPattern | None] = self._fixed_arn_parts
        else:
            patterns = (_filled_pattern(part, facts) for part in self._arn_parts)
        for pattern, part in zip(patterns, parts, strict=True):
            if pattern is None or not pattern.matches(part):
                return False
        return True

    @cached_property
    def _parts(self) -> tuple[Token | Variable, ...]:
        return tuple(_parse(self.text) if self.has_variables else wildcard_tokens(self.text))

    @cached_property
    def _fixed(self) -> WildcardPattern | None:
        """The pattern of a text without variables."""
        return None if self.variables else _filled_pattern(self._parts, {})

    @cached_property
    def _fixed_arn_parts(self) -> tuple[WildcardPattern | None, ...] | None:
        return None if self.variables else tuple(_filled_pattern(part, {}) for part in self._arn_parts)

    @cached_property
    def _arn_parts(self) -> tuple[tuple[Token | Variable, ...], ...]:
        # Divided before variables have values: a value never reaches into another part.
        parts: list[list[Token | Variable]] = [[]]
        for token in self._parts:
            first, *others = token.split(":", ARN_PARTS - len(parts)) if isinstance(token, str) else (token,)
            parts[-1].append(first)
            parts += [[other] for other in others]
        return tuple(tuple(token for token in part if token != "") for part in parts)


def _parse(text: str) -> Iterator[Token | Variable]:
    position = 0
    for match in _VARIABLE.finditer(text):
        yield from wildcard_tokens(text[position : match.start()])
        position = match.end()
        if match[1] in _CHARACTERS:
            yield match[1]
        elif with_default := _WITH_DEFAULT.fullmatch(match[1]):
            yield Variable(with_default[1].lower(), with_default[2])
        else:
            yield Variable(match[1].strip().lower())
    yield from wildcard_tokens(text[position:])


def _fill(parts: tuple[Token | Variable, ...], facts: Facts) -> tuple[Token, ...] | None:
    """Return the tokens of a text, or None if one of its variables has no value."""
    tokens: list[Token] = []
    for part in parts:
        token = part.value(facts) if isinstance(part, Variable) else part
        if token is None:
            return None
        tokens.append(token)
    return tuple(tokens)


def _literal(token: Token) -> str:
    return token.value if isinstance(token, Wildcard) else token


def _filled_pattern(parts: tuple[Token | Variable, ...], facts: Facts) -> WildcardPattern | None:
    """Return the pattern of a text with the values of variables, or None if one of them has no value."""
    tokens = _fill(parts, facts)
    return None if tokens is None else _pattern(tokens)


@lru_cache(8192)
def _pattern(tokens: tuple[Token, ...]) -> WildcardPattern:
    return WildcardPattern(tokens)
