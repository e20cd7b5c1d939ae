"""The ready processing programs: what a processing job may name instead of an image, and the arguments they take."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lowcloud.schemas import Schema, Value
from lowcloud.schemas.arguments import read
from lowcloud.schemas.evaluate import SCHEMA as EVALUATE
from lowcloud.schemas.expressions import FUNCTIONS
from lowcloud.schemas.preprocess import SCHEMA as PREPROCESS

NAME = re.compile(r"(?:lowcloud/)?(?P<name>[a-z]+)(?::[\w.-]+)?")


@dataclass(frozen=True)
class ProcessingProgram:
    """A ready program: the command that starts it, to which a job's arguments are added, and what those may be."""

    name: str
    command: tuple[str, ...]
    schema: Schema
    doc: str

    def validate(self, arguments: Sequence[str]) -> dict[str, Value]:
        """Typed arguments, defaults filled in. Raises schemas.InvalidHyperparameters listing every offence."""
        return self.schema.validate(read(arguments))


def resolve(image_uri: str) -> ProcessingProgram | None:
    """The program that an image URI names: preprocess, lowcloud/preprocess or lowcloud/preprocess:1; else None."""
    match = NAME.fullmatch(image_uri)
    return PROGRAMS.get(match["name"]) if match else None


def table_of(program: ProcessingProgram) -> str:
    """The program's arguments as a table in Markdown."""
    lines = ["| argument | values | default | |", "|---|---|---|---|"]
    for parameter in program.schema.hyperparameters:
        default = "required" if parameter.required else _write(parameter.default)
        values = parameter.describe().removeprefix("one of ")
        cells = (f"`{parameter.name}`", values, default, parameter.doc)
        lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def functions() -> str:
    """The functions of expressions as a table in Markdown."""
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
            doc="Cleans, fills, scales, encodes, derives and splits tables, and keeps the fitted transform.",
        ),
        ProcessingProgram(
            name="evaluate",
            command=("python", "-m", "lowcloud.runtime.processing.evaluate"),
            schema=EVALUATE,
            doc="Measures predictions, or a built-in algorithm's model, against the truth.",
        ),
    )
}
