"""What a training program prints: the log lines of SageMaker's algorithms, which metric definitions are read from."""

import json
import os
import time
from collections.abc import Mapping
from typing import Any


class Report:
    """Prints on behalf of one host. Only the first host prints metrics, else each would count once a host."""

    def __init__(self, algorithm: str, host: str, is_first: bool = True):
        self.algorithm = algorithm
        self.host = host
        self.is_first = is_first
        self._started = time.time()

    def say(self, text: str) -> None:
        """One line with the time in front."""
        stamp = time.strftime("%m/%d/%Y %H:%M:%S", time.gmtime())
        print(f"[{stamp} INFO {os.getpid()}] {text}", flush=True)

    def quality(self, channel: str, name: str, value: float, kind: str, epoch: int | None = None) -> None:
        """One quality metric; `kind` is loss (less is better) or score."""
        if self.is_first:
            place = f"host={self.host}, " + (f"epoch={epoch}, " if epoch is not None else "")
            self.say(f"#quality_metric: {place}{channel} {name} <{kind}>={float(value)!r}")

    def progress(self, percent: int) -> None:
        """How much of the training is done."""
        if self.is_first:
            self.say(f"#progress_metric: host={self.host}, completed {percent} % of epochs")

    def throughput(self, records_per_second: float) -> None:
        """Rows taken through the whole training in a second."""
        if self.is_first:
            self.say(f"#throughput_metric: host={self.host}, train throughput={records_per_second!r} records/second")

    def metrics(self, values: Mapping[str, float], **dimensions: Any) -> None:
        """A JSON line of counts, SageMaker's `#metrics`."""
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
