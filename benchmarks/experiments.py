"""The cost of experiments: tracking a job, putting metrics, and searching many trial components.

python benchmarks/experiments.py [COMPONENTS]
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lowcloud.api.aws.services.sagemaker.search.search import search
from lowcloud.core.context import Context
from lowcloud.core.identity.access import Caller
from lowcloud.core.jobs.training import TRAINING
from lowcloud.core.telemetry import metrics
from lowcloud.core.telemetry.metrics import Point
from lowcloud.core.tracking import experiments, provenance, trial_components
from lowcloud.core.tracking.experiments import Experiment
from lowcloud.core.tracking.provenance import Grouping, TrackedUri
from lowcloud.home import settings
from lowcloud.server.server import open_context

COMPONENTS = 10_000
AT_ONCE = 200
PUTS = 200
KIND = "training-job"


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else COMPONENTS
    table = Table("what", "CPU ms")
    with tempfile.TemporaryDirectory() as folder:
        context = open_context(settings.load(Path(folder) / "home", {}))
        experiments.create(context, Experiment("all", context.now(), context.now()))
        spent = milliseconds(lambda: fill(context, count))
        table.add_row("tracking a job from its begin to its end, with 6 points of 2 metrics", f"{spent / count:.2f}")
        table.add_row("a put of 10 points", f"{milliseconds(lambda: put(context)) / PUTS:.2f}")
        for what, requested in searches().items():
            table.add_row(f"Search among {count:,}: {what}", f"{best(context, requested):.1f}")
        context.database.close()
    Console().print(table)


def fill(context: Context, count: int) -> None:
    """Create the trial components and metrics of this number of jobs."""
    now = context.now()
    inputs = (TrackedUri("image", "image:1", provenance.IMAGE), TrackedUri("train", "s3://data/train"))
    for start in range(0, count, AT_ONCE):
        with context.database.transaction() as connection:
            for number in range(start, min(start + AT_ONCE, count)):
                name = f"job-{number}"
                subject = f"{KIND}/{name}"
                parameters = {"rate": "0.5", "kind": "tree", "depth": number % 10}
                provenance.begin(connection, subject, now + number, inputs, parameters, Grouping("all"))
                points = [
                    (TRAINING.metrics.series(name, metric), Point(now + step, float(number + step)))
                    for metric in ("loss", "accuracy")
                    for step in range(3)
                ]
                metrics.record(connection, points)
                model = TrackedUri("model", f"s3://models/{number}", provenance.MODEL)
                provenance.end(connection, subject, now + number, "Completed", "", [model])


def put(context: Context) -> None:
    now = context.now()
    for _ in range(PUTS):
        trial_components.measure(
            context, "job-0-aws-training-job", [("m", Point(now, 1.0, step)) for step in range(10)]
        )


def searches() -> dict[str, dict[str, Any]]:
    """Return search requests by description."""

    def filtered(name: str, value: str, **more: Any) -> dict[str, Any]:
        return {"SearchExpression": {"Filters": [{"Name": name, "Operator": "Equals", "Value": value}]}, **more}

    return {
        "one by name": filtered("TrialComponentName", "job-77-aws-training-job"),
        "the newest 100 of an experiment": filtered("Parents.ExperimentName", "all"),
        "100 of every tenth": filtered("Parameters.depth", "3"),
        "none, by a parameter": filtered("Parameters.depth", "33"),
        "every tenth, sorted by a metric": filtered("Parameters.depth", "3", SortBy="Metrics.loss.Max"),
    }


def best(context: Context, requested: dict[str, Any]) -> float:
    caller = Caller(context.settings.account_id, "")
    request = {"Resource": "ExperimentTrialComponent", **requested}
    return min(milliseconds(lambda: search(context, caller, request)) for _ in range(3))


def milliseconds(work: Callable[[], Any]) -> float:
    """Return the CPU milliseconds that a function takes."""
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000


if __name__ == "__main__":
    main()
