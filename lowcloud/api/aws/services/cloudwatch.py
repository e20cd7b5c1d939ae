"""CloudWatch operations on metrics."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from lowcloud.api.aws.access.permissions import on_any
from lowcloud.api.aws.errors import AwsError, ErrorCodes, register_errors
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.pages import page_of
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError, NotFoundError
from lowcloud.core.identity.callers import Caller
from lowcloud.core.telemetry import metrics
from lowcloud.core.telemetry.metrics import Series, Summary

STATISTICS: dict[str, Callable[[Summary], float]] = {
    "Average": lambda summary: summary.total / summary.count,
    "Sum": lambda summary: summary.total,
    "Minimum": lambda summary: summary.minimum,
    "Maximum": lambda summary: summary.maximum,
    "SampleCount": lambda summary: float(summary.count),
}
DATAPOINTS_LIMIT = 1440
LIST_PAGE_SIZE = 500
UNIT = "None"  # of every series

register_errors(
    "cloudwatch",
    ErrorCodes(
        {NotFoundError: ("ResourceNotFound", 404), InvalidError: ("InvalidParameterValue", 400)},
        invalid_input="InvalidParameterValue",
    ),
)


@operation("cloudwatch", "GetMetricStatistics", on_any(), refused=("ExtendedStatistics",))
def get_metric_statistics(context: Context, _caller: Caller, request: Request) -> Answer:
    """Periods without points are left out."""
    start, end = _interval(request)
    period = _period(request["Period"])
    if (end - start) / period > DATAPOINTS_LIMIT:
        raise AwsError(
            "InvalidParameterCombination",
            f"You have requested up to {int((end - start) / period)} datapoints, which exceeds the limit of "
            f"{DATAPOINTS_LIMIT}. You may reduce the datapoints requested by increasing Period, or decreasing the time "
            "range.",
        )
    if not request.get("Statistics"):
        raise AwsError(
            "MissingParameter", "At least one of the parameters Statistics and ExtendedStatistics must be specified."
        )
    series = _series(request)
    datapoints = [
        {
            "Timestamp": _time(summary.start),
            "Unit": UNIT,
            **{statistic: STATISTICS[statistic](summary) for statistic in request["Statistics"]},
        }
        for summary in _summarize(context, series, start, end, period, request.get("Unit"))
    ]
    return {"Label": series.name, "Datapoints": datapoints}


@operation(
    "cloudwatch",
    "GetMetricData",
    on_any(),
    refused=("MetricDataQueries.AccountId", "MetricDataQueries.Expression"),
    ignored=("LabelOptions", "MaxDatapoints", "NextToken"),
)
def get_metric_data(context: Context, _caller: Caller, request: Request) -> Answer:
    """Metric math is refused."""
    start, end = _interval(request)
    is_descending = request.get("ScanBy", "TimestampDescending") == "TimestampDescending"
    results = []
    for query in request["MetricDataQueries"]:
        if "MetricStat" not in query:
            raise AwsError("ValidationError", f"Query {query['Id']!r} needs a MetricStat.")
        if not query.get("ReturnData", True):
            continue
        statistic = query["MetricStat"]["Stat"]
        if statistic not in STATISTICS:
            raise AwsError(
                "ValidationError", f"Stat {statistic!r} of query {query['Id']!r} is not supported by Lowcloud yet."
            )
        series = _series(query["MetricStat"]["Metric"])
        period, unit = _period(query["MetricStat"]["Period"]), query["MetricStat"].get("Unit")
        found = _summarize(context, series, start, end, period, unit)
        results.append(_result(query, series, statistic, found[::-1] if is_descending else found))
    return {"MetricDataResults": results, "Messages": []}


@operation(
    "cloudwatch",
    "ListMetrics",
    on_any(),
    refused=("IncludeLinkedAccounts", "OwningAccount"),
    ignored=("RecentlyActive",),
)
def list_metrics(context: Context, _caller: Caller, request: Request) -> Answer:
    """Only series that have points."""
    dimensions = {dimension["Name"]: dimension.get("Value") for dimension in request.get("Dimensions", [])}
    found = metrics.list_series(context, request.get("Namespace"), request.get("MetricName"), dimensions)
    page, token = page_of(found, request.get("NextToken"), LIST_PAGE_SIZE)
    return {"Metrics": [_describe(series) for series in page], "NextToken": token}


def _series(request: Mapping[str, Any]) -> Series:
    for member in ("Namespace", "MetricName"):
        if member not in request:
            raise AwsError("MissingParameter", f"The parameter {member} is required.")
    dimensions = sorted((dimension["Name"], dimension["Value"]) for dimension in request.get("Dimensions", []))
    return Series(request["Namespace"], request["MetricName"], tuple(dimensions))


def _summarize(
    context: Context, series: Series, start: float, end: float, period: int, unit: str | None
) -> Sequence[Summary]:
    """Return the periods that have points of this unit, or of any unit if None."""
    return metrics.summarise(context, series, start, end, period) if unit in (None, UNIT) else ()


def _interval(request: Request) -> tuple[float, float]:
    start, end = request["StartTime"].timestamp(), request["EndTime"].timestamp()
    if start >= end:
        raise AwsError("InvalidParameterValue", "The parameter StartTime must be less than the parameter EndTime.")
    return start, end


def _period(seconds: int) -> int:
    if seconds not in (1, 5, 10, 20, 30) and seconds % 60:
        raise AwsError("InvalidParameterValue", "The parameter Period must be 1, 5, 10, 20, 30 or a multiple of 60.")
    return seconds


def _result(query: Mapping[str, Any], series: Series, statistic: str, found: Sequence[Summary]) -> dict[str, Any]:
    return {
        "Id": query["Id"],
        "Label": query.get("Label", series.name),
        "Timestamps": [_time(summary.start) for summary in found],
        "Values": [STATISTICS[statistic](summary) for summary in found],
        "StatusCode": "Complete",
    }


def _describe(series: Series) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in series.dimensions]
    return {"Namespace": series.namespace, "MetricName": series.name, "Dimensions": dimensions}


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
