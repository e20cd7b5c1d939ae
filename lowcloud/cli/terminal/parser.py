"""How commands are parsed and helped with: values in capitals, flags without a value, and wrong usage in plain words.

Typer shows the Python types instead (`{rows} <path>`, `--all <bool>`), and pydantic's words for a wrong value.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

PYDANTIC_PREFIX = "Value error, "
PYDANTIC_DETAIL = ", unable to parse"
NO_VALUE = ""


class Command(TyperCommand):
    """A command whose help has the usual form."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, each with the name of its value."""
        return _with_metavars(super().get_params(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the parts of the usage line: required arguments have no braces."""
        return _without_braces(super().collect_usage_pieces(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments of the command."""
        with _plain_refusals():
            return super().parse_args(ctx, args)


class Group(TyperGroup):
    """A group of commands whose help has the usual form."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters, each with the name of its value."""
        return _with_metavars(super().get_params(ctx))


def _with_metavars(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        if parameter.param_type_name == "argument":
            parameter.metavar = parameter.metavar or parameter.name.upper()
            parameter.display_type_rich = _no_type  # the metavar says it
        elif getattr(parameter, "is_flag", False):
            parameter.metavar = NO_VALUE
    return parameters


def _no_type(ctx: Any) -> None:  # noqa: ARG001 - typer passes it by name
    return None


def _without_braces(pieces: list[str]) -> list[str]:
    return [piece.replace("{", "").replace("}", "") for piece in pieces]


@contextmanager
def _plain_refusals() -> Iterator[None]:
    try:
        yield
    except typer.BadParameter as error:
        error.message = error.message.removeprefix(PYDANTIC_PREFIX).partition(PYDANTIC_DETAIL)[0]
        raise
