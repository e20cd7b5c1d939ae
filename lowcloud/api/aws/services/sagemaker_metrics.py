"""The SageMaker metrics service: points that a program logs to a trial component, and curves of them."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from lowcloud.api.aws.access.calls import Call
from lowcloud.api.aws.access.permissions import canonical, on, permission
from lowcloud.api.aws.arns import subject_of
from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.core.identity.access import Permission
from lowcloud.core.identity.callers import Caller
from lowcloud.core.telemetry import metric_series
from lowcloud.core.telemetry.metric_series import Statistic
from lowcloud.core.telemetry.metrics import Point, Series
from lowcloud.core.tracking import trial_components
from lowcloud.core.tracking.trial_components import COMPONENT

PAST_SECONDS, FUTURE_SECONDS = 14 * 86_400, 2 * 3_600  # how old a point may be, and how far in the future
LARGEST_STEP = 2**31 - 1
PERIOD_SECONDS = {"OneMinute": 60, "FiveMinute": 300, "OneHour": 3600}
STATISTICS = {
    "Min": Statistic.MINIMUM,
    "Max": Statistic.MAXIMUM,
    "Avg": Statistic.MEAN,
    "StdDev": Statistic.DEVIATION,
    "Count": Statistic.COUNT,
    "Last": Statistic.LAST,
}
CURVE_LIMIT = 10_000  # values in the answer to one query


@operation("sagemaker-metrics", "BatchPutMetrics", on("experiment-trial-component/{TrialComponentName}"))
def batch_put_metrics(context: Context, _caller: Caller, request: Request) -> Answer:
    """Invalid points are reported by their index; the others are stored, in one transaction."""
    now = context.now()
    errors, points = [], []
    for index, metric in enumerate(request["MetricData"]):
        if _is_valid(metric, now):
            points.append((metric["MetricName"], _point(metric)))
        else:
            errors.append({"Code": "VALIDATION_ERROR", "MetricIndex": index})
    try:
        trial_components.measure(context, request["TrialComponentName"], points)
    except NotFoundError as error:
        message = f"Trial component '{error.name}' does not exist."
        raise AwsError("ResourceNotFoundException", message, 404) from error
    return {"Errors": errors or None}


def _reads_metrics(call: Call) -> Iterator[Permission]:
    for query in call.request["MetricQueries"]:
        yield permission(call, call.action, canonical(call, query["ResourceArn"]), call.facts)


@operation("sagemaker-metrics", "BatchGetMetrics", _reads_metrics)
def batch_get_metrics(context: Context, _caller: Caller, request: Request) -> Answer:
    """Curves over time (the x axis in seconds since the epoch) or over iterations, of components and training jobs."""
    return {"MetricQueryResults": [_result(context, query) for query in request["MetricQueries"]]}


def _is_valid(metric: Mapping[str, Any], now: float) -> bool:
    is_timely = now - PAST_SECONDS <= metric["Timestamp"].timestamp() <= now + FUTURE_SECONDS
    return is_timely and math.isfinite(metric["Value"]) and metric.get("Step", 0) <= LARGEST_STEP


def _point(metric: Mapping[str, Any]) -> Point:
    return Point(metric["Timestamp"].timestamp(), float(metric["Value"]), metric.get("Step"))


def _result(context: Context, query: Mapping[str, Any]) -> dict[str, Any]:
    try:
        found = _curve(context, query, _series(context, query))
    except (AwsError, NotFoundError) as error:
        return {"Status": "ValidationError", "Message": str(error), "XAxisValues": [], "MetricValues": []}
    curve = found[:CURVE_LIMIT]
    return {
        "Status": "Complete" if len(found) == len(curve) else "Truncated",
        "XAxisValues": [x for x, _ in curve],
        "MetricValues": [value for _, value in curve],
    }


def _curve(context: Context, query: Mapping[str, Any], series: Series) -> metric_series.Curve:
    statistic = STATISTICS[query["MetricStat"]]
    interval = (query.get("Start"), query.get("End"))
    if query["XAxisType"] == "IterationNumber":
        return metric_series.by_step(context, series, statistic, interval, CURVE_LIMIT + 1)
    if query["Period"] not in PERIOD_SECONDS:
        raise AwsError("ValidationException", "The Period IterationNumber needs the XAxisType IterationNumber.")
    period = PERIOD_SECONDS[query["Period"]]
    return metric_series.by_time(context, series, statistic, period, interval, CURVE_LIMIT + 1)


def _series(context: Context, query: Mapping[str, Any]) -> Series:
    """Return the series of a query: of a trial component, or of a resource of another kind that has metrics."""
    prefix, _, name = subject_of(context, query["ResourceArn"]).partition("/")
    kind = context.kinds.find(prefix)
    if kind is None or kind.metrics is None:
        raise AwsError("ValidationException", f"{query['ResourceArn']} is neither a trial component nor a job.")
    if kind is COMPONENT:  # whose metrics may be those of its job
        return trial_components.series(context, name, query["MetricName"])
    return kind.metrics.series(name, query["MetricName"])
