"""Metrics: series of points, each series a namespace, a name and dimensions."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Float, func, insert, select
from sqlalchemy import cast as sql_cast

from lowcloud.core.cloud import Cloud
from lowcloud.engine import LogLine
from lowcloud.store.tables import metric_points

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


def series_of_job(job: str, name: str) -> Series:
    """The series of one metric of a training job."""
    return Series(TRAINING_NAMESPACE, name, (("TrainingJobName", job),))


def find_in_lines(definitions: Sequence[Definition], lines: Iterable[LogLine]) -> Iterable[tuple[str, Point]]:
    """The metric values that log lines hold: (metric name, point)."""
    compiled = [(definition.name, re.compile(definition.expression)) for definition in definitions]
    for line in lines:
        for name, expression in compiled:
            match = expression.search(line.text)
            value = _number(match.group(1)) if match else None
            if value is not None:
                yield name, Point(line.timestamp_ms / 1000, value)


def record(connection: Connection, points: Iterable[tuple[Series, Point]]) -> None:
    """Store points."""
    rows = [
        {
            "namespace": series.namespace,
            "name": series.name,
            "dimensions": _key(series.dimensions),
            "at": point.at,
            "value": point.value,
        }
        for series, point in points
    ]
    if rows:
        connection.execute(insert(metric_points), rows)


def summarise(cloud: Cloud, series: Series, start: float, end: float, period_seconds: float) -> list[Summary]:
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
        .where(*_is(series), metric_points.c.at >= start, metric_points.c.at < end)
        .group_by("period")
        .order_by("period")
    )
    with cloud.database.read() as connection:
        rows = connection.execute(statement).all()
    return [
        Summary(start + row.period * period_seconds, row.points, row.total, row.minimum, row.maximum) for row in rows
    ]


def list_series(
    cloud: Cloud,
    namespace: str | None = None,
    name: str | None = None,
    dimensions: Mapping[str, str | None] | None = None,
) -> list[Series]:
    """The series with this namespace and name that have these dimensions (None: any value)."""
    columns = (metric_points.c.namespace, metric_points.c.name, metric_points.c.dimensions)
    statement = select(*columns).distinct().order_by(*columns)
    if namespace:
        statement = statement.where(metric_points.c.namespace == namespace)
    if name:
        statement = statement.where(metric_points.c.name == name)
    with cloud.database.read() as connection:
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
    """The last point of each metric of a training job."""
    dimensions = _key(series_of_job(job, "").dimensions)
    last = (
        select(func.max(metric_points.c.id))
        .where(metric_points.c.namespace == TRAINING_NAMESPACE, metric_points.c.dimensions == dimensions)
        .group_by(metric_points.c.name)
    )
    statement = select(metric_points).where(metric_points.c.id.in_(last))
    return {row.name: Point(row.at, row.value) for row in connection.execute(statement)}


def _is(series: Series) -> tuple[ColumnElement[bool], ...]:
    return (
        metric_points.c.namespace == series.namespace,
        metric_points.c.name == series.name,
        metric_points.c.dimensions == _key(series.dimensions),
    )


def _key(dimensions: Sequence[tuple[str, str]]) -> str:
    return json.dumps(dict(sorted(dimensions)), separators=(",", ":"))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
