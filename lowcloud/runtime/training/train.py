"""`python -m lowcloud.runtime.training.train ALGORITHM`: trains a built-in algorithm in the /opt/ml layout."""

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from lowcloud import contract
from lowcloud.runtime import algorithms
from lowcloud.runtime.collectives import CollectiveError, ProcessGroup, join
from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.feature_transforms import attachment
from lowcloud.runtime.formats.channel import ChannelReader
from lowcloud.runtime.training_run import TrainingReport, TrainingRun
from lowcloud.schemas import InvalidHyperparametersError
from lowcloud.schemas.transform import CHANNEL


def main(argv: list[str]) -> int:
    """Train the algorithm argv[0] and return the exit code; on failure, output/failure has the reason."""
    base = Path(os.environ.get(contract.BASE_DIR_VARIABLE, contract.DEFAULT_BASE_DIR))
    try:
        algorithm = algorithms.find(argv[0])
        resources = _read_json(base / contract.RESOURCE_CONFIG)
        host, hosts = str(resources.get("current_host", "algo-1")), list(resources.get("hosts", ["algo-1"]))
        with join(hosts, host) as process_group:
            report = TrainingReport(argv[0], host, is_first=process_group.rank == 0)
            if process_group.rank == 0:
                attachment.copy_to_model(base / contract.DATA, base / contract.MODEL)
            algorithm.train(_training_run(base, process_group, report))
    except (ClientError, InvalidHyperparametersError) as error:
        return _fail(base, f"ClientError: {error}", contract.EXIT_CLIENT_ERROR)
    except CollectiveError as error:
        return _fail(base, f"AlgorithmError: {error}", contract.EXIT_ALGORITHM_ERROR)
    except Exception as error:  # noqa: BLE001 - the program's edge: any error becomes the job's failure reason
        traceback.print_exc()
        reason = f"AlgorithmError: {type(error).__name__}: {error}. This is a bug in the algorithm; see the log."
        return _fail(base, reason, contract.EXIT_ALGORITHM_ERROR)
    return 0


def _training_run(base: Path, process_group: ProcessGroup, report: TrainingReport) -> TrainingRun:
    inputs = _read_json(base / contract.INPUT_DATA_CONFIG)
    channels = {
        name: ChannelReader(
            name,
            base / contract.DATA / name,
            (inputs.get(name) or {}).get("ContentType"),
            is_passed=name in inputs,
            is_piped=(inputs.get(name) or {}).get("TrainingInputMode") == "Pipe",
        )
        for name in {"train", *inputs} - {CHANNEL}
    }
    return TrainingRun(base, _read_json(base / contract.HYPERPARAMETERS), channels, process_group, report)


def _read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return content


def _fail(base: Path, reason: str, code: int) -> int:
    print(reason, file=sys.stderr, flush=True)
    failure = base / contract.FAILURE
    failure.parent.mkdir(parents=True, exist_ok=True)
    failure.write_text(reason)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
