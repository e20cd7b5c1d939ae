"""Metrics: series of points, each series a namespace, a name and dimensions.

Beside its points every series has one row that sums them up, kept up by `record`: what asks for totals or last values
reads no points, however many there are.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Float, Row, case, func, insert, select
from sqlalchemy import cast as sql_cast

from lowcloud.core.context import Context
from lowcloud.store.db import upsert
from lowcloud.store.db.tables import metric_points, metric_summaries

TRAINING_NAMESPACE = "/aws/sagemaker/TrainingJobs"


@dataclass(frozen=True)
class Series:
    """What a point belongs to."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...] = ()  # sorted by name


@dataclass(frozen=True)
class Point:
    """One measurement, at seconds since the epoch."""

    at: float
    value: float
    step: int | None = None  # the iteration it was taken in


@dataclass(frozen=True)
class Definition:
    """How a metric is found in a log line: the first group of the expression is its value."""

    name: str
    expression: str


@dataclass(frozen=True)
class Summary:
    """The points of one period."""

    start: float
    count: int
    total: float
    minimum: float
    maximum: float


@dataclass(frozen=True)
class Statistics:
    """All points of a series."""

    name: str
    count: int
    mean: float
    deviation: float  # of the population
    minimum: float
    maximum: float
    last: float  # of the latest point
    last_at: float


def series_of_job(job: str, name: str) -> Series:
    """The series of one metric of a training job."""
    return Series(TRAINING_NAMESPACE, name, (("TrainingJobName", job),))


def record(connection: Connection, points: Iterable[tuple[Series, Point]]) -> None:
    """Store points, and what they change of their series' summaries. Values are finite."""
    of_series: dict[Series, list[Point]] = {}
    for series, point in points:
        of_series.setdefault(series, []).append(point)
    if not of_series:
        return
    keys = {
        series: {"namespace": series.namespace, "dimensions": dimensions_key(series.dimensions), "name": series.name}
        for series in of_series
    }
    rows = [
        {**keys[series], "at": point.at, "value": point.value, "step": point.step}
        for series, found in of_series.items()
        for point in found
    ]
    connection.execute(insert(metric_points), rows)
    merging = upsert.merge_statement(connection, metric_summaries, ["namespace", "dimensions", "name"], _merged)
    connection.execute(merging, [{**keys[series], **_sum_up(found)} for series, found in of_series.items()])


def summarise(context: Context, series: Series, start: float, end: float, period_seconds: float) -> list[Summary]:
    """Count, sum, minimum and maximum of each period in [start, end) that has points, oldest first."""
    period = func.floor((metric_points.c.at - start) / sql_cast(period_seconds, Float))
    statement = (
        select(
            period.label("period"),
            func.count().label("points"),
            func.sum(metric_points.c.value).label("total"),
            func.min(metric_points.c.value).label("minimum"),
            func.max(metric_points.c.value).label("maximum"),
        )
        .where(*is_point_of(series), metric_points.c.at >= start, metric_points.c.at < end)
        .group_by("period")
        .order_by("period")
    )
    with context.database.read() as connection:
        rows = connection.execute(statement).all()
    return [
        Summary(start + row.period * period_seconds, row.points, row.total, row.minimum, row.maximum) for row in rows
    ]


def list_series(
    context: Context,
    namespace: str | None = None,
    name: str | None = None,
    dimensions: Mapping[str, str | None] | None = None,
) -> list[Series]:
    """The series with this namespace and name that have these dimensions (None: any value)."""
    columns = (metric_summaries.c.namespace, metric_summaries.c.name, metric_summaries.c.dimensions)
    statement = select(*columns).order_by(*columns)
    if namespace:
        statement = statement.where(metric_summaries.c.namespace == namespace)
    if name:
        statement = statement.where(metric_summaries.c.name == name)
    with context.database.read() as connection:
        rows = connection.execute(statement).all()
    found = [Series(row.namespace, row.name, tuple(sorted(json.loads(row.dimensions).items()))) for row in rows]
    wanted = (dimensions or {}).items()
    return [
        series
        for series in found
        if all(
            key in dict(series.dimensions) and value in (None, dict(series.dimensions)[key]) for key, value in wanted
        )
    ]


def final_values(connection: Connection, job: str) -> dict[str, Point]:
    """The latest point of each metric of a training job."""
    return final_values_of(connection, [job]).get(job, {})


def final_values_of(connection: Connection, jobs: Sequence[str]) -> dict[str, dict[str, Point]]:
    """The latest point of each metric of each of these training jobs that has any."""
    dimensions = {series_of_job(job, "").dimensions: job for job in jobs}
    found = statistics(connection, TRAINING_NAMESPACE, list(dimensions))
    return {
        dimensions[key]: {one.name: Point(one.last_at, one.last) for one in of_job} for key, of_job in found.items()
    }


def statistics(
    connection: Connection, namespace: str, dimensions: Sequence[tuple[tuple[str, str], ...]]
) -> dict[tuple[tuple[str, str], ...], list[Statistics]]:
    """What each of these has measured, by its dimensions; the series of each by name."""
    keys = {dimensions_key(one): one for one in dimensions}
    statement = (
        select(metric_summaries)
        .where(metric_summaries.c.namespace == namespace, metric_summaries.c.dimensions.in_(list(keys)))
        .order_by(metric_summaries.c.dimensions, metric_summaries.c.name)
    )
    found: dict[tuple[tuple[str, str], ...], list[Statistics]] = {}
    for row in connection.execute(statement):
        found.setdefault(keys[row.dimensions], []).append(_statistics(row))
    return found


def has_points(connection: Connection, series: Series) -> bool:
    """Whether anything was ever recorded of a series."""
    found = statistics(connection, series.namespace, [series.dimensions])
    return any(one.name == series.name for of_it in found.values() for one in of_it)


def delete_series(connection: Connection, namespace: str, dimensions: tuple[tuple[str, str], ...]) -> None:
    """Drop all series that have exactly these dimensions: what they measured is gone."""
    for table in (metric_points, metric_summaries):
        of_it = (table.c.namespace == namespace, table.c.dimensions == dimensions_key(dimensions))
        connection.execute(table.delete().where(*of_it))


def is_point_of(series: Series) -> tuple[ColumnElement[bool], ...]:
    """What is true of the points of a series."""
    return (
        metric_points.c.namespace == series.namespace,
        metric_points.c.name == series.name,
        metric_points.c.dimensions == dimensions_key(series.dimensions),
    )


def dimensions_key(dimensions: Sequence[tuple[str, str]]) -> str:
    """Dimensions as the tables have them."""
    return json.dumps(dict(sorted(dimensions)), separators=(",", ":"))


def _sum_up(points: Sequence[Point]) -> dict[str, Any]:
    values = [point.value for point in points]
    mean = math.fsum(values) / len(values)
    latest = max(reversed(points), key=lambda point: point.at)  # of those of one time the one that came last
    return {
        "points": len(values),
        "mean": mean,
        "squares": math.fsum((value - mean) ** 2 for value in values),
        "minimum": min(values),
        "maximum": max(values),
        "last": latest.value,
        "last_at": latest.at,
    }


def _merged(new: Any) -> dict[str, Any]:
    """A summary and the one that is there, in one, without a sum of squares (Chan, Golub and LeVeque, 1983)."""
    old = metric_summaries.c
    distance = new.mean - old.mean
    share = sql_cast(new.points, Float) / (old.points + new.points)
    is_later = new.last_at >= old.last_at
    return {
        "points": old.points + new.points,
        "mean": old.mean + distance * share,
        "squares": old.squares + new.squares + distance * distance * old.points * share,
        "minimum": case((new.minimum < old.minimum, new.minimum), else_=old.minimum),
        "maximum": case((new.maximum > old.maximum, new.maximum), else_=old.maximum),
        "last": case((is_later, new.last), else_=old.last),
        "last_at": case((is_later, new.last_at), else_=old.last_at),
    }


def _statistics(row: Row[Any]) -> Statistics:
    deviation = math.sqrt(max(0.0, row.squares / row.points))
    return Statistics(row.name, row.points, row.mean, deviation, row.minimum, row.maximum, row.last, row.last_at)


def parse_number(text: str) -> float | None:
    """The finite number that a text says, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
