"""`python -m lowcloud.runtime.training.train ALGORITHM`: trains a built-in algorithm under the /opt/ml contract."""

import json
import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lowcloud import contract
from lowcloud.runtime import algorithms
from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.feature_transforms import attachment
from lowcloud.runtime.formats.channel import ChannelReader
from lowcloud.runtime.training.collectives import CollectiveError, World, join
from lowcloud.runtime.training.report import Report
from lowcloud.schemas import InvalidHyperparametersError


@dataclass(frozen=True)
class TrainingRun:
    """What a training program is given."""

    base: Path
    hyperparameters: Mapping[str, str]
    channels: Mapping[str, ChannelReader]
    world: World
    report: Report


def main(argv: list[str]) -> int:
    """Train the algorithm named in argv[0]; the exit code, with output/failure written where it is not 0."""
    base = Path(os.environ.get(contract.BASE_DIR_VARIABLE, contract.DEFAULT_BASE_DIR))
    try:
        algorithm = algorithms.find(argv[0])
        resources = _read_json(base / contract.RESOURCE_CONFIG)
        host, hosts = str(resources.get("current_host", "algo-1")), list(resources.get("hosts", ["algo-1"]))
        with join(hosts, host) as world:
            report = Report(argv[0], host, is_first=world.rank == 0)
            if world.rank == 0:
                attachment.adopt(base / contract.DATA, base / contract.MODEL)
            algorithm.train(_job(base, world, report))
    except (ClientError, InvalidHyperparametersError) as error:
        return _fail(base, f"ClientError: {error}", contract.EXIT_CLIENT_ERROR)
    except CollectiveError as error:
        return _fail(base, f"AlgorithmError: {error}", contract.EXIT_ALGORITHM_ERROR)
    except Exception as error:  # noqa: BLE001 - the program's edge: any fault becomes the job's failure reason
        traceback.print_exc()
        sentence = f"AlgorithmError: {type(error).__name__}: {error}. This is a fault of the algorithm; see the log."
        return _fail(base, sentence, contract.EXIT_ALGORITHM_ERROR)
    return 0


def _job(base: Path, world: World, report: Report) -> TrainingRun:
    inputs = _read_json(base / contract.INPUT_DATA_CONFIG)
    channels = {
        name: ChannelReader(
            name,
            base / contract.DATA / name,
            (inputs.get(name) or {}).get("ContentType"),
            is_passed=name in inputs,
            is_piped=(inputs.get(name) or {}).get("TrainingInputMode") == "Pipe",
        )
        for name in {"train", *inputs} - {attachment.CHANNEL}
    }
    return TrainingRun(base, _read_json(base / contract.HYPERPARAMETERS), channels, world, report)


def _read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return content


def _fail(base: Path, sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr, flush=True)
    failure = base / contract.FAILURE
    failure.parent.mkdir(parents=True, exist_ok=True)
    failure.write_text(sentence)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
