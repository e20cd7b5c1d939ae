"""One run of a built-in training program: its inputs, its process group and its report.

The report consists of the log lines of SageMaker's algorithms, from which the platform extracts metrics.
"""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lowcloud.runtime.collectives import ProcessGroup
from lowcloud.runtime.formats.channel import ChannelReader
from lowcloud.runtime.formats.table import DenseTable


class TrainingReport:
    """Prints the log lines of one host. Only the first host prints metrics, so that none is counted repeatedly."""

    def __init__(self, algorithm: str, host: str, is_first: bool = True):
        self.algorithm = algorithm
        self.host = host
        self.is_first = is_first
        self._started = time.time()

    def info(self, text: str) -> None:
        """Print one line with a timestamp."""
        timestamp = time.strftime("%m/%d/%Y %H:%M:%S", time.gmtime())
        print(f"[{timestamp} INFO {os.getpid()}] {text}", flush=True)

    def quality(self, channel: str, name: str, value: float, kind: str, epoch: int | None = None) -> None:
        """Print one quality metric; `kind` is loss (lower is better) or score."""
        if self.is_first:
            context = f"host={self.host}, " + (f"epoch={epoch}, " if epoch is not None else "")
            self.info(f"#quality_metric: {context}{channel} {name} <{kind}>={float(value)!r}")

    def progress(self, percent: int) -> None:
        """Print how much of the training is complete."""
        if self.is_first:
            self.info(f"#progress_metric: host={self.host}, completed {percent} % of epochs")

    def throughput(self, records_per_second: float) -> None:
        """Print the number of rows processed per second, over the complete training."""
        if self.is_first:
            self.info(f"#throughput_metric: host={self.host}, train throughput={records_per_second!r} records/second")

    def metrics(self, values: Mapping[str, float], **dimensions: Any) -> None:
        """Print SageMaker's `#metrics`, a JSON line of numbers."""
        now = time.time()
        line = {
            "StartTime": self._started,
            "EndTime": now,
            "Dimensions": {"Algorithm": self.algorithm, "Host": self.host, "Operation": "training", **dimensions},
            "Metrics": {name: {"sum": v, "count": 1, "min": v, "max": v} for name, v in values.items()},
        }
        if self.is_first:
            print("#metrics " + json.dumps(line), flush=True)
        self._started = now


@dataclass(frozen=True)
class TrainingRun:
    """The folder, parameters, channels and process group of a training program on one host."""

    base: Path
    hyperparameters: Mapping[str, str]
    channels: Mapping[str, ChannelReader]
    process_group: ProcessGroup
    report: TrainingReport

    def agree_on_names(self, channel: str, table: DenseTable) -> None:
        """Put the columns of a channel into one order on all hosts. Raises ClientError if their names differ."""
        parts = self.process_group.gather(json.dumps(table.names).encode())
        names = next((tuple(json.loads(part)) for part in parts if part != b"[]"), ())
        table.reorder(names, f"Channel {channel} of this host")

    def share(self, channel: str, rows: int, groups: NDArray[np.integer[Any]] | None = None) -> slice:
        """Return which rows of a channel this host trains on: all, or its share if every host has read all of them.

        Trained on by every host, a row would count as several, which changes the weight of regularisation. Rows that
        follow each other and are in the same group stay together.
        """
        rank, size = self.process_group.rank, self.process_group.size
        if size == 1 or not rows:
            return slice(0, rows)
        if not self.channels[channel].is_replicated:
            self.report.info(f"Channel {channel}: this host has {rows} rows, those of its objects (ShardedByS3Key).")
            return slice(0, rows)
        bounds = np.arange(size + 1) * rows // size
        if groups is not None:
            starts = np.concatenate([[0], np.flatnonzero(np.diff(groups)) + 1, [rows]])
            bounds = starts[np.searchsorted(starts, bounds)]
        start, stop = int(bounds[rank]), int(bounds[rank + 1])
        self.report.info(
            f"Channel {channel}: every host has all {rows} rows (FullyReplicated), and this one trains on "
            f"{stop - start} of them, so that each counts once. With ShardedByS3Key a host gets only its objects."
        )
        return slice(start, stop)
