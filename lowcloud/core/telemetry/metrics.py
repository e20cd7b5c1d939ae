"""Metrics: time series of points, identified by namespace, name and dimensions.

Every series also has one summary row, updated by `record`, so that totals and last values need not read the points.
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
from lowcloud.store.db.tables.telemetry import metric_points, metric_summaries

Dimensions = tuple[tuple[str, str], ...]  # (name, value), sorted by name


@dataclass(frozen=True)
class Series:
    """The identity of a time series."""

    namespace: str
    name: str
    dimensions: Dimensions = ()


@dataclass(frozen=True)
class MetricScope:
    """The namespace of the metrics of one kind of resource, and the dimension that has the name of a resource."""

    namespace: str
    dimension: str

    def dimensions(self, resource: str) -> Dimensions:
        """Return the dimensions of all series of a resource."""
        return ((self.dimension, resource),)

    def series(self, resource: str, metric: str) -> Series:
        """Return the series of one metric of a resource."""
        return Series(self.namespace, metric, self.dimensions(resource))


@dataclass(frozen=True)
class Point:
    """One measurement, at seconds since the epoch."""

    at: float
    value: float
    step: int | None = None  # the iteration in which it was measured


@dataclass(frozen=True)
class Definition:
    """A rule for finding a metric in a log line: the first group of the expression matches its value."""

    name: str
    expression: str


@dataclass(frozen=True)
class Summary:
    """Aggregates of the points of one period."""

    start: float
    count: int
    total: float
    minimum: float
    maximum: float


@dataclass(frozen=True)
class Statistics:
    """Aggregates of all points of a series."""

    name: str
    count: int
    mean: float
    deviation: float  # of the population
    minimum: float
    maximum: float
    last: float  # of the latest point
    last_at: float


def record(connection: Connection, points: Iterable[tuple[Series, Point]]) -> None:
    """Store points and update the summaries of their series. Values are finite."""
    by_series: dict[Series, list[Point]] = {}
    for series, point in points:
        by_series.setdefault(series, []).append(point)
    if not by_series:
        return
    keys = {
        series: {"namespace": series.namespace, "dimensions": dimensions_key(series.dimensions), "name": series.name}
        for series in by_series
    }
    rows = [
        {**keys[series], "at": point.at, "value": point.value, "step": point.step}
        for series, found in by_series.items()
        for point in found
    ]
    connection.execute(insert(metric_points), rows)
    statement = upsert.merge_statement(connection, metric_summaries, ["namespace", "dimensions", "name"], _merge)
    connection.execute(statement, [{**keys[series], **_summary_row(found)} for series, found in by_series.items()])


def summarise(context: Context, series: Series, start: float, end: float, period_seconds: float) -> list[Summary]:
    """Return count, sum, minimum and maximum of each period in [start, end) with points, oldest first."""
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
    """Return the series with this namespace, name and dimensions (value None: any value)."""
    columns = (metric_summaries.c.namespace, metric_summaries.c.name, metric_summaries.c.dimensions)
    statement = select(*columns).order_by(*columns)
    if namespace:
        statement = statement.where(metric_summaries.c.namespace == namespace)
    if name:
        statement = statement.where(metric_summaries.c.name == name)
    with context.database.read() as connection:
        rows = connection.execute(statement).all()
    found = [Series(row.namespace, row.name, tuple(sorted(json.loads(row.dimensions).items()))) for row in rows]
    required = (dimensions or {}).items()
    return [
        series
        for series in found
        if all(
            key in dict(series.dimensions) and value in (None, dict(series.dimensions)[key]) for key, value in required
        )
    ]


def final_values(connection: Connection, scope: MetricScope, names: Sequence[str]) -> dict[str, dict[str, Point]]:
    """Return the latest point of each metric, for each of these resources that has metrics, by names."""
    return {
        name: {one.name: Point(one.last_at, one.last) for one in found}
        for name, found in statistics(connection, scope, names).items()
    }


def statistics(connection: Connection, scope: MetricScope, names: Sequence[str]) -> dict[str, list[Statistics]]:
    """Return the statistics of all metrics of these resources, by name; each list is sorted by metric."""
    keys = {dimensions_key(scope.dimensions(name)): name for name in names}
    statement = (
        select(metric_summaries)
        .where(metric_summaries.c.namespace == scope.namespace, metric_summaries.c.dimensions.in_(list(keys)))
        .order_by(metric_summaries.c.dimensions, metric_summaries.c.name)
    )
    found: dict[str, list[Statistics]] = {}
    for row in connection.execute(statement):
        found.setdefault(keys[row.dimensions], []).append(_statistics(row))
    return found


def has_points(connection: Connection, series: Series) -> bool:
    """Return whether a series has points."""
    summary = metric_summaries.c
    is_series = (
        summary.namespace == series.namespace,
        summary.name == series.name,
        summary.dimensions == dimensions_key(series.dimensions),
    )
    return connection.execute(select(summary.points).where(*is_series)).first() is not None


def delete_all(connection: Connection, scope: MetricScope, name: str) -> None:
    """Delete all metrics of a resource."""
    for table in (metric_points, metric_summaries):
        is_of_resource = (
            table.c.namespace == scope.namespace,
            table.c.dimensions == dimensions_key(scope.dimensions(name)),
        )
        connection.execute(table.delete().where(*is_of_resource))


def is_point_of(series: Series) -> tuple[ColumnElement[bool], ...]:
    """Return the condition on the rows of a series."""
    return (
        metric_points.c.namespace == series.namespace,
        metric_points.c.name == series.name,
        metric_points.c.dimensions == dimensions_key(series.dimensions),
    )


def dimensions_key(dimensions: Sequence[tuple[str, str]]) -> str:
    """Encode dimensions as in the tables."""
    return json.dumps(dict(sorted(dimensions)), separators=(",", ":"))


def _summary_row(points: Sequence[Point]) -> dict[str, Any]:
    values = [point.value for point in points]
    mean = math.fsum(values) / len(values)
    latest = max(reversed(points), key=lambda point: point.at)  # the last one of those with the same time
    return {
        "points": len(values),
        "mean": mean,
        "squares": math.fsum((value - mean) ** 2 for value in values),
        "minimum": min(values),
        "maximum": max(values),
        "last": latest.value,
        "last_at": latest.at,
    }


def _merge(new: Any) -> dict[str, Any]:
    """Merge a new summary into the stored one, by the pairwise update of Chan, Golub and LeVeque (1983)."""
    old = metric_summaries.c
    delta = new.mean - old.mean
    weight = sql_cast(new.points, Float) / (old.points + new.points)
    is_later = new.last_at >= old.last_at
    return {
        "points": old.points + new.points,
        "mean": old.mean + delta * weight,
        "squares": old.squares + new.squares + delta * delta * old.points * weight,
        "minimum": case((new.minimum < old.minimum, new.minimum), else_=old.minimum),
        "maximum": case((new.maximum > old.maximum, new.maximum), else_=old.maximum),
        "last": case((is_later, new.last), else_=old.last),
        "last_at": case((is_later, new.last_at), else_=old.last_at),
    }


def _statistics(row: Row[Any]) -> Statistics:
    deviation = math.sqrt(max(0.0, row.squares / row.points))
    return Statistics(row.name, row.points, row.mean, deviation, row.minimum, row.maximum, row.last, row.last_at)


def parse_number(text: str) -> float | None:
    """Parse a finite number. Returns None for any other text."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
