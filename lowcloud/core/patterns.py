"""The patterns that callers give: regular expressions, and wildcards (* matches any text and ? any one character).

Neither may cost more than its text is worth, so regular expressions are those of RE2: matched in linear time, compiled
in bounded memory, without references and look-around. Patterns of our own are compiled by `re`.
"""

import re
from collections.abc import Iterable, Iterator
from enum import Enum
from functools import lru_cache
from itertools import groupby, takewhile
from typing import cast

import re2

COMPILED_BYTES = 1 << 20  # of one expression with the states of its search
INSTRUCTIONS = 2000  # the time that a search takes for each byte of text is proportional to them at worst
_OPTIONS = re2.Options()
_OPTIONS.max_mem = COMPILED_BYTES
_OPTIONS.log_errors = False


class PatternError(Exception):
    """A regular expression is not accepted. The message gives the reason."""


class Expression:
    """One compiled regular expression. Other threads continue while it searches."""

    def __init__(self, text: str):
        """Compile an expression. Raises PatternError."""
        try:
            self._compiled = re2.compile(text, _OPTIONS)
        except re2.error as error:
            reason = error.args[0].decode(errors="replace")
            raise PatternError(f"{reason}. The syntax is that of RE2, without references and look-around.") from error
        except UnicodeEncodeError as error:
            raise PatternError("it contains half of a surrogate pair.") from error
        if self._compiled.programsize > INSTRUCTIONS:
            raise PatternError("it is too large: repeat less.")

    @property
    def groups(self) -> int:
        """The number of capturing groups."""
        return int(self._compiled.groups)

    def search(self, text: str) -> str | None:
        """Return what the first group captured at the first match, "" if it took no part, or None without a match."""
        match = self._compiled.search(text)
        return None if match is None else match.group(1) or ""


class Wildcard(Enum):
    """The wildcards of a pattern. Those of a part stand for no colon: patterns of ARNs have parts between colons."""

    TEXT = "*"
    CHARACTER = "?"
    TEXT_OF_PART = "* in a part"
    CHARACTER_OF_PART = "? in a part"


class WildcardPattern:
    """One compiled pattern of wildcards and texts. Matches in time linear in the text."""

    __slots__ = ("_expression", "_head", "_needed", "is_exact")

    def __init__(self, tokens: Iterable[str | Wildcard]):
        """Compile the tokens of a pattern; a text among them stands for itself, whatever it contains."""
        tokens = list(tokens)
        texts = list(takewhile(lambda token: isinstance(token, str), tokens))
        rest = tokens[len(texts) :]
        self._head = "".join(cast(list[str], texts))
        self.is_exact = not rest
        # What follows the head contains this text, which is searched in a tenth of the time of the expression.
        self._needed = max(_texts_of(rest), key=len, default="")
        # Most patterns are a text, or a text and "*": those need no expression.
        self._expression = None if rest in ([], [Wildcard.TEXT]) else _expression_of(rest)

    def matches(self, text: str) -> bool:
        """Return whether the complete text matches the pattern."""
        if self.is_exact:
            return text == self._head
        if not text.startswith(self._head):
            return False
        if self._expression is None:
            return True
        if self._needed not in text:
            return False
        return bool(self._expression.fullmatch(_for_re2(text[len(self._head) :])))


def wildcard_tokens(text: str) -> Iterator[str | Wildcard]:
    """Yield the tokens of a pattern in which * and ? are wildcards."""
    for part in _WILDCARDS.split(text):
        if part:
            yield _WILDCARD_OF.get(part, part)


@lru_cache(4096)
def wildcard_pattern(text: str) -> WildcardPattern:
    """Return the compiled pattern of a text in which * and ? are wildcards."""
    return WildcardPattern(wildcard_tokens(text))


def matches(pattern: str, text: str) -> bool:
    """Return whether the complete text matches a pattern in which * and ? are wildcards."""
    return wildcard_pattern(pattern).matches(text)


def _texts_of(tokens: Iterable[str | Wildcard]) -> Iterator[str]:
    """Yield the texts between the wildcards of a pattern."""
    for is_text, group in groupby(tokens, lambda token: isinstance(token, str)):
        if is_text:
            yield "".join(cast(Iterable[str], group))


def _expression_of(tokens: Iterable[str | Wildcard]) -> "re2._Regexp[str]":
    return re2.compile(
        "".join(
            _EXPRESSIONS[token] if isinstance(token, Wildcard) else re2.escape(_for_re2(token)) for token in tokens
        ),
        _WILDCARD_OPTIONS,
    )


def _for_re2(text: str) -> str:
    """Return a text that RE2 takes: it has no notion of halves of surrogate pairs."""
    return text if text.isascii() else text.encode(errors="surrogatepass").decode(errors="replace")


_WILDCARDS = re.compile(r"([*?])")
_WILDCARD_OF = {"*": Wildcard.TEXT, "?": Wildcard.CHARACTER}
_EXPRESSIONS = {
    Wildcard.TEXT: ".*",
    Wildcard.CHARACTER: ".",
    Wildcard.TEXT_OF_PART: "[^:]*",
    Wildcard.CHARACTER_OF_PART: "[^:]",
}
_WILDCARD_OPTIONS = re2.Options()
_WILDCARD_OPTIONS.max_mem = 16 << 20  # for patterns of up to 100 KB
_WILDCARD_OPTIONS.log_errors = False
_WILDCARD_OPTIONS.dot_nl = True
