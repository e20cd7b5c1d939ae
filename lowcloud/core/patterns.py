"""Wildcard patterns, in which * matches any text and ? any one character."""


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
