"""The built-in processing programs, which a processing job may name instead of an image, and their arguments."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lowcloud.schemas import Schema, Value
from lowcloud.schemas.arguments import parse_arguments
from lowcloud.schemas.evaluate import SCHEMA as EVALUATE
from lowcloud.schemas.expressions import FUNCTIONS
from lowcloud.schemas.preprocess import SCHEMA as PREPROCESS

NAME = re.compile(r"(?:lowcloud/)?(?P<name>[a-z]+)(?::[\w.-]+)?")


@dataclass(frozen=True)
class ProcessingProgram:
    """A built-in program: its command, to which a job's arguments are appended, and the schema of the arguments."""

    name: str
    command: tuple[str, ...]
    schema: Schema

    def validate(self, arguments: Sequence[str]) -> dict[str, Value]:
        """Return typed arguments with defaults. Raises schemas.InvalidHyperparametersError with all problems."""
        return self.schema.validate(parse_arguments(arguments))


def resolve(image_uri: str) -> ProcessingProgram | None:
    """Return the program of an image URI such as preprocess, lowcloud/preprocess or lowcloud/preprocess:1, or None."""
    match = NAME.fullmatch(image_uri)
    return PROGRAMS.get(match["name"]) if match else None


def format_argument_table(program: ProcessingProgram) -> str:
    """Format the program's arguments as a Markdown table."""
    lines = ["| argument | values | default | |", "|---|---|---|---|"]
    for parameter in program.schema.hyperparameters:
        default = "required" if parameter.required else _write(parameter.default)
        values = parameter.describe().removeprefix("one of ")
        cells = (f"`{parameter.name}`", values, default, parameter.doc)
        lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def format_function_table() -> str:
    """Format the functions of expressions as a Markdown table."""
    lines = [f"| `{name}` | {doc} |" for name, (_, _, doc) in FUNCTIONS.items()]
    return "\n".join(["| function | |", "|---|---|", *lines]) + "\n"


def _write(value: Value | None) -> str:
    if value is None:
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


PROGRAMS = {
    program.name: program
    for program in (
        ProcessingProgram(
            name="preprocess",
            command=("python", "-m", "lowcloud.runtime.processing.preprocess"),
            schema=PREPROCESS,
        ),
        ProcessingProgram(
            name="evaluate",
            command=("python", "-m", "lowcloud.runtime.processing.evaluate"),
            schema=EVALUATE,
        ),
    )
}
