"""Texts of policies with wildcards and variables: `arn:aws:s3:::home/${aws:username}/*`.

Source: IAM User Guide, "IAM policy elements: Variables and tags", "IAM JSON policy elements: Resource" and "IAM JSON
policy elements: Condition operators".
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from lowcloud.core.patterns import Wildcard, WildcardPattern, wildcard_tokens
from lowcloud.core.policies.requests import Facts

ARN_PARTS = 6  # arn:partition:service:region:account:resource

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")  # without "{" inside, so that a text of many "${" is searched once
_WITH_DEFAULT = re.compile(r"\s*([^\s,]+)\s*,\s*'([^']*)'\s*")
_CHARACTERS = ("*", "?", "$")  # ${*} stands for the character itself

_OF_PART = {Wildcard.TEXT: Wildcard.TEXT_OF_PART, Wildcard.CHARACTER: Wildcard.CHARACTER_OF_PART}

Token = str | Wildcard


@dataclass(frozen=True)
class Variable:
    """A variable: it stands for the one value of a condition key, in which * and ? are no wildcards."""

    written: str  # the name of the key as the policy writes it
    default: str | None = None
    is_within_part: bool = False  # of an ARN, so that it has no value with a colon

    def value(self, facts: Facts) -> str | None:
        """Return its value, or the default if the request has none; None if there is neither, or several values."""
        values = facts.get(self._key) or None
        found = self.default if values is None else values[0] if len(values) == 1 else None
        return None if found is not None and self.is_within_part and ":" in found else found

    @cached_property
    def _key(self) -> str:
        return self.written.lower()


Part = Token | Variable


@dataclass(frozen=True)
class Template:
    """One text of a policy. In policies of 2008, which have no variables, ${...} stands for itself."""

    text: str
    has_variables: bool = True

    @cached_property
    def variables(self) -> tuple[str, ...]:
        """The condition keys of its variables, as they are written."""
        return tuple(part.written for part in self._parts if isinstance(part, Variable))

    def plain(self, facts: Facts) -> str | None:
        """Return the text with the values of variables and without wildcards; None if a variable has no value."""
        tokens = _fill(self._parts, facts)
        return None if tokens is None else "".join(_literal(token) for token in tokens)

    def matches(self, text: str, facts: Facts) -> bool:
        """Return whether a complete text matches; a variable without a value matches nothing."""
        pattern = self._fixed or _filled_pattern(self._parts, facts)
        return pattern is not None and pattern.matches(text)

    def matches_resource(self, arn: str, facts: Facts) -> bool:
        """Return whether an ARN matches part by part; a * that ends a part stands for what follows, too."""
        if self.text == "*":
            return True
        pattern = self._fixed_resource or _filled_pattern(self._parts_of_resource, facts)
        return pattern is not None and pattern.matches(arn)

    def matches_arn(self, arn: str, facts: Facts) -> bool:
        """Return whether an ARN matches part by part: a wildcard does not stand for the colons between parts."""
        if self.text == "*":
            return True
        if len(self._arn_parts) < ARN_PARTS:
            return False
        pattern = self._fixed_arn or _filled_pattern(self._parts_of_arn, facts)
        return pattern is not None and pattern.matches(arn)

    @cached_property
    def _parts(self) -> tuple[Part, ...]:
        return tuple(_parse(self.text) if self.has_variables else wildcard_tokens(self.text))

    @cached_property
    def _fixed(self) -> WildcardPattern | None:
        """The pattern of a text without variables."""
        return None if self.variables else _filled_pattern(self._parts, {})

    @cached_property
    def _fixed_resource(self) -> WildcardPattern | None:
        return None if self.variables else _filled_pattern(self._parts_of_resource, {})

    @cached_property
    def _fixed_arn(self) -> WildcardPattern | None:
        return None if self.variables else _filled_pattern(self._parts_of_arn, {})

    @cached_property
    def _parts_of_resource(self) -> tuple[Part, ...]:
        *heads, last = self._arn_parts
        return _joined([*map(_head_of_resource, heads), last])

    @cached_property
    def _parts_of_arn(self) -> tuple[Part, ...]:
        *heads, last = self._arn_parts
        return _joined([*map(_within_part, heads), last])

    @cached_property
    def _arn_parts(self) -> tuple[tuple[Part, ...], ...]:
        # Divided before variables have values: a value never reaches into another part.
        parts: list[list[Part]] = [[]]
        for token in self._parts:
            first, *others = token.split(":", ARN_PARTS - len(parts)) if isinstance(token, str) else (token,)
            parts[-1].append(first)
            parts += [[other] for other in others]
        return tuple(tuple(token for token in part if token != "") for part in parts)


def _within_part(part: Sequence[Part]) -> tuple[Part, ...]:
    """Return a part of an ARN in which nothing stands for a colon."""
    return tuple(
        replace(token, is_within_part=True)
        if isinstance(token, Variable)
        else _OF_PART.get(token, token)
        if isinstance(token, Wildcard)
        else token
        for token in part
    )


def _head_of_resource(part: Sequence[Part]) -> tuple[Part, ...]:
    """Return a part of a resource other than the last, whose final * may stand for following parts as well."""
    *others, final = part or [""]
    return (*_within_part(others), final) if final is Wildcard.TEXT else _within_part(part)


def _joined(parts: Sequence[Sequence[Part]]) -> tuple[Part, ...]:
    """Return the parts of an ARN with the colons between them."""
    first, *others = parts
    return (*first, *(token for part in others for token in (":", *part)))


def _parse(text: str) -> Iterator[Part]:
    position = 0
    for match in _VARIABLE.finditer(text):
        yield from wildcard_tokens(text[position : match.start()])
        position = match.end()
        if match[1] in _CHARACTERS:
            yield match[1]
        elif with_default := _WITH_DEFAULT.fullmatch(match[1]):
            yield Variable(with_default[1], with_default[2])
        else:
            yield Variable(match[1].strip())
    yield from wildcard_tokens(text[position:])


def _fill(parts: tuple[Part, ...], facts: Facts) -> tuple[Token, ...] | None:
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


def _filled_pattern(parts: tuple[Part, ...], facts: Facts) -> WildcardPattern | None:
    """Return the pattern of a text with the values of variables, or None if one of them has no value."""
    tokens = _fill(parts, facts)
    return None if tokens is None else _pattern(tokens)


@lru_cache(8192)
def _pattern(tokens: tuple[Token, ...]) -> WildcardPattern:
    return WildcardPattern(tokens)
