"""The entry point of processing programs: parses arguments, finds folders and reports failures."""

import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lowcloud import contract
from lowcloud.runtime.errors import ClientError
from lowcloud.schemas import InvalidHyperparametersError, Schema, Value, arguments, csv_arguments
from lowcloud.schemas.spelling import did_you_mean

MESSAGE = "output/message"  # the ExitMessage of a SageMaker processing job


@dataclass(frozen=True)
class Arguments:
    """The typed arguments of a program."""

    values: Mapping[str, Value]

    def has(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str) -> str:
        """Return a text, "" if it is not given."""
        return str(self.values.get(name, ""))

    def number(self, name: str) -> float:
        return float(self.values[name])

    def count(self, name: str) -> int:
        return int(self.values[name])

    def flag(self, name: str) -> bool:
        return self.values[name] is True

    def names(self, name: str) -> tuple[str, ...]:
        return arguments.parse_names(self.values.get(name))

    def pairs(self, name: str) -> dict[str, str]:
        return arguments.parse_pairs(self.values.get(name))

    @property
    def delimiter(self) -> str:
        return csv_arguments.to_delimiter(self.text("delimiter"))


def run(command_line: Sequence[str], schema: Schema, process: Callable[[Path, Arguments], None]) -> int:
    """Call `process` with the processing folder and return the exit code; failures go to output/failure and message."""
    base = Path(os.environ.get(contract.BASE_DIR_VARIABLE, contract.DEFAULT_BASE_DIR))
    try:
        process(base / contract.PROCESSING, Arguments(schema.validate(arguments.parse_arguments(command_line))))
    except (ClientError, InvalidHyperparametersError) as error:
        return _fail(base, f"ClientError: {error}", contract.EXIT_CLIENT_ERROR)
    except MemoryError:
        message = "ClientError: The data does not fit in memory. Use fewer rows, or a machine with more memory."
        return _fail(base, message, contract.EXIT_CLIENT_ERROR)
    except Exception as error:  # noqa: BLE001 - the program's edge: any error becomes the job's message
        traceback.print_exc()
        message = (
            f"AlgorithmError: {type(error).__name__}: {str(error)[:300]}. This is a bug in the program; see the log."
        )
        return _fail(base, message, contract.EXIT_ALGORITHM_ERROR)
    return 0


def require_columns(names: Sequence[str], existing: Sequence[str], argument: str) -> None:
    """Raise ClientError if an argument names a column that does not exist."""
    for name in names:
        if name not in existing:
            shown = ", ".join(map(repr, existing[:30])) + (", ..." if len(existing) > 30 else "")
            hint = did_you_mean(name, existing, f"The columns are {shown}.")
            raise ClientError(f"Argument {argument}: there is no column {name!r}. {hint}")


def _fail(base: Path, message: str, code: int) -> int:
    print(message, file=sys.stderr, flush=True)
    for name in (contract.FAILURE, MESSAGE):
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text(message, encoding="utf-8")
    return code
