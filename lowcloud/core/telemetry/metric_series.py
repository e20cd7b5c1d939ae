"""Metric series as curves: one value for each period of time or each iteration."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Float, func, select
from sqlalchemy import cast as sql_cast

from lowcloud.core.context import Context
from lowcloud.core.telemetry.metrics import Series, is_point_of
from lowcloud.store.db.tables.telemetry import metric_points

Curve = list[tuple[int, float]]  # (x, value); x is seconds since the epoch, or an iteration


class Statistic(StrEnum):
    """The aggregation of points with the same x."""

    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    MEAN = "mean"
    DEVIATION = "deviation"  # of the population
    COUNT = "count"
    LAST = "last"


def by_time(
    context: Context,
    series: Series,
    statistic: Statistic,
    period_seconds: int,
    interval: tuple[float | None, float | None],
    limit: int,
) -> Curve:
    """Return the first `limit` periods with points in [start, end] seconds; x is the beginning of the period."""
    period = func.floor(metric_points.c.at / sql_cast(period_seconds, Float))
    return [
        (int(x) * period_seconds, value)
        for x, value in _read(context, series, statistic, period, metric_points.c.at, interval, limit)
    ]


def by_step(
    context: Context,
    series: Series,
    statistic: Statistic,
    interval: tuple[float | None, float | None],
    limit: int,
) -> Curve:
    """Return the first `limit` iterations with points in [start, end]."""
    step = metric_points.c.step
    return [(int(x), value) for x, value in _read(context, series, statistic, step, step, interval, limit)]


def _read(
    context: Context,
    series: Series,
    statistic: Statistic,
    x: ColumnElement[Any],
    axis: ColumnElement[Any],
    interval: tuple[float | None, float | None],
    limit: int,
) -> Sequence[Any]:
    start, end = interval
    where: list[ColumnElement[bool]] = [axis.is_not(None)]
    where += [axis >= start] if start is not None else []
    where += [axis <= end] if end is not None else []
    value = metric_points.c.value
    latest = (metric_points.c.at.desc(), metric_points.c.id.desc())
    points = (
        select(
            x.label("x"),
            value.label("value"),
            func.avg(value).over(partition_by=x).label("mean"),
            func.first_value(value).over(partition_by=x, order_by=latest).label("last"),
        )
        .where(*is_point_of(series), *where)
        .subquery()
    )
    values = {
        Statistic.MINIMUM: func.min(points.c.value),
        Statistic.MAXIMUM: func.max(points.c.value),
        Statistic.MEAN: func.avg(points.c.value),
        Statistic.COUNT: sql_cast(func.count(), Float),
        Statistic.LAST: func.max(points.c.last),  # the same for all
        Statistic.DEVIATION: func.sqrt(func.avg((points.c.value - points.c.mean) * (points.c.value - points.c.mean))),
    }
    curve = select(points.c.x, values[statistic]).group_by(points.c.x).order_by(points.c.x).limit(limit)
    with context.database.read() as connection:
        return connection.execute(curve).all()
