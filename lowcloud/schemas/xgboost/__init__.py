"""The catalogue entries of xgboost: one for the images of release 0.72 and one for later releases."""

from dataclasses import replace

from lowcloud.schemas import Schema
from lowcloud.schemas.algorithm import Algorithm, Metric
from lowcloud.schemas.xgboost.hyperparameters import HYPERPARAMETERS
from lowcloud.schemas.xgboost.names import MAXIMIZED, MINIMIZED
from lowcloud.schemas.xgboost.rules import RULES

SCHEMA = Schema(HYPERPARAMETERS, RULES)


def _metrics() -> tuple[Metric, ...]:
    """Return each metric of each channel, in lines such as "[3]\\ttrain-auc:0.91\\tvalidation-auc:0.87"."""
    return tuple(
        Metric(f"{channel}:{name}", rf"^\[\d+\].*\t{channel}-{name}(?:@\S+?)?:(\S+)")
        for channel in ("train", "validation")
        for name in sorted({*MAXIMIZED, *MINIMIZED})
    )


# The images of release 0.72 respond to CSV with one line of numbers, later releases with one line per row.
RELEASE_0_72 = Algorithm(
    name="xgboost",
    images=("xgboost",),
    train_command=("python", "-m", "lowcloud.runtime.training.train", "xgboost"),
    serve_command=("python", "-m", "lowcloud.runtime.serving.serve", "xgboost", "one-line"),
    schema=SCHEMA,
    metrics=_metrics(),
    modules=("xgboost",),
    requirements=("xgboost-cpu>=2.1,<4; sys_platform == 'linux'", "xgboost>=2.1,<4; sys_platform != 'linux'"),
)
ALGORITHM = replace(
    RELEASE_0_72,
    name="sagemaker-xgboost",
    images=("sagemaker-xgboost",),
    serve_command=("python", "-m", "lowcloud.runtime.serving.serve", "xgboost"),
)
