"""The patterns that callers give: regular expressions, and wildcards (* matches any text and ? any one character).

Neither may cost more than its text is worth, so regular expressions are those of RE2: matched in linear time, compiled
in bounded memory, without references and look-around. Patterns of our own are compiled by `re`.
"""

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


def matches(pattern: str, text: str) -> bool:
    """Return whether the complete text matches the pattern.

    Takes time proportional to the product of their lengths at worst.
    """
    position, index = 0, 0  # in the text, in the pattern
    star, resume = -1, 0  # the last * of the pattern, and how far its match extends
    while position < len(text):
        if index < len(pattern) and pattern[index] == "*":
            star, resume = index, position
            index += 1
        elif index < len(pattern) and pattern[index] in ("?", text[position]):
            position, index = position + 1, index + 1
        elif star >= 0:
            resume += 1
            position, index = resume, star + 1
        else:
            return False
    return all(character == "*" for character in pattern[index:])
