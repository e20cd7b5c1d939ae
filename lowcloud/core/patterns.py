"""Patterns in which * stands for any text and ? for any one character."""


def matches(pattern: str, text: str) -> bool:
    """Whether the whole text is of the pattern, in time that grows with the product of their lengths at worst."""
    at, here = 0, 0
    star, resumed_at = -1, 0  # the last *, and how far it reached
    while at < len(text):
        if here < len(pattern) and pattern[here] == "*":
            star, resumed_at = here, at
            here += 1
        elif here < len(pattern) and pattern[here] in ("?", text[at]):
            at, here = at + 1, here + 1
        elif star >= 0:
            resumed_at += 1
            at, here = resumed_at, star + 1
        else:
            return False
    return all(letter == "*" for letter in pattern[here:])
