"""How messages name what a person can give: as arguments of the Python SDK, or as options of the command line."""

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

OTHER_OPTIONS = {"allow_large": "yes"}  # argument -> option, where the name is not the same
TAB = "\t"

_IS_COMMAND_LINE = ContextVar("is_command_line", default=False)


@contextmanager
def for_command_line() -> Iterator[None]:
    """Word the messages that are made in this block for a person at the command line."""
    token = _IS_COMMAND_LINE.set(True)
    try:
        yield
    finally:
        _IS_COMMAND_LINE.reset(token)


def either(python: str, command_line: str) -> str:
    """Return the words for a Python program or those for the command line, where they differ by more than a name."""
    return command_line if _IS_COMMAND_LINE.get() else python


def argument(name: str, *given: Any) -> str:
    """Return an argument without or with its value: `target=` and `raw=True`, or `--target` and `--raw`."""
    option = f"--{OTHER_OPTIONS.get(name, name).replace('_', '-')}"
    words = [option, *(_quoted(one) for one in given if one is not True)]
    return either(f"{name}={''.join(map(repr, given))}", " ".join(words))


def parameter(name: str, value: Any) -> str:
    """Return a hyperparameter with its value."""
    return either(f"{name}={value!r}", f"-p {name}={_quoted(value)}")


def reading(**options: Any) -> str:
    """Return how tables are said to be read."""
    words = [word for name, value in options.items() for word in _words(name, value)]
    return either(f"reading={options}", " ".join(f"--reading {shlex.quote(word)}" for word in words))


def value(choice: Any) -> str:
    """Return a value that an option can have: `True`, or `true`."""
    return either(repr(choice), _plain(choice))


def _words(name: str, value: Any) -> list[str]:
    if isinstance(value, Mapping):  # types
        return [f"{name}={key}={one}" for key, one in value.items()]
    return [f"{name}={'tab' if value == TAB else _plain(value)}"]


def _quoted(value: Any) -> str:
    return shlex.quote(_plain(value))


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
