"""The edge of the processing programs: arguments in, the folders of the contract, and the words of a failure."""

import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from lowcloud import contract
from lowcloud.runtime.errors import ClientError
from lowcloud.schemas import InvalidHyperparametersError, Schema, Value, arguments

MESSAGE = "output/message"  # where a processing program of SageMaker's leaves its ExitMessage


@dataclass(frozen=True)
class Arguments:
    """The typed arguments of a program."""

    values: Mapping[str, Value]

    def has(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str) -> str:
        """The text, empty where it is not given."""
        return str(self.values.get(name, ""))

    def number(self, name: str) -> float:
        return float(self.values[name])

    def count(self, name: str) -> int:
        return int(self.values[name])

    def flag(self, name: str) -> bool:
        return self.values[name] is True

    def names(self, name: str) -> tuple[str, ...]:
        return arguments.names(self.values.get(name))

    def pairs(self, name: str) -> dict[str, str]:
        return arguments.pairs(self.values.get(name))

    @property
    def delimiter(self) -> str:
        return "\t" if self.text("delimiter") in ("tab", r"\t") else self.text("delimiter")


def run(words: Sequence[str], schema: Schema, work: Callable[[Path, Arguments], None]) -> int:
    """Do `work` in the folder of processing; the exit code. Where it is not 0, output/failure and message say why."""
    base = Path(os.environ.get(contract.BASE_DIR_VARIABLE, contract.DEFAULT_BASE_DIR))
    try:
        work(base / contract.PROCESSING, Arguments(schema.validate(arguments.read(words))))
    except (ClientError, InvalidHyperparametersError) as error:
        return _fail(base, f"ClientError: {error}", contract.EXIT_CLIENT_ERROR)
    except MemoryError:
        sentence = "ClientError: The data do not fit in memory. Use fewer rows, or a machine with more memory."
        return _fail(base, sentence, contract.EXIT_CLIENT_ERROR)
    except Exception as error:  # noqa: BLE001 - the program's edge: any fault becomes the job's message
        traceback.print_exc()
        sentence = (
            f"AlgorithmError: {type(error).__name__}: {str(error)[:300]}. This is a fault of the program; see the log."
        )
        return _fail(base, sentence, contract.EXIT_ALGORITHM_ERROR)
    return 0


def require(names: Sequence[str], there: Sequence[str], argument: str) -> None:
    """Raise ClientError where an argument names a column that is not there."""
    for name in names:
        if name not in there:
            close = get_close_matches(name, there, 1)
            shown = ", ".join(map(repr, there[:30])) + (", ..." if len(there) > 30 else "")
            hint = f"Did you mean {close[0]!r}?" if close else f"There are {shown}."
            raise ClientError(f"Argument {argument}: there is no column {name!r}. {hint}")


def _fail(base: Path, sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr, flush=True)
    for name in (contract.FAILURE, MESSAGE):
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text(sentence, encoding="utf-8")
    return code
