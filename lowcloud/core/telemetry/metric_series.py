"""Series of metrics as curves: one value for each period of time, or for each iteration."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Float, func, select
from sqlalchemy import cast as sql_cast

from lowcloud.core.telemetry.metrics import Series, is_point_of
from lowcloud.store.db.tables import metric_points

Curve = list[tuple[int, float]]  # (x, value); x is seconds since the epoch, or an iteration


class Statistic(StrEnum):
    """What is told of the points that share an x."""

    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    MEAN = "mean"
    DEVIATION = "deviation"  # of the population
    COUNT = "count"
    LAST = "last"


def by_time(
    connection: Connection,
    series: Series,
    statistic: Statistic,
    period_seconds: int,
    span: tuple[float | None, float | None],
    limit: int,
) -> Curve:
    """The first `limit` periods that have points within a span of times [start, end], each by its beginning."""
    period = func.floor(metric_points.c.at / sql_cast(period_seconds, Float))
    return [
        (int(x) * period_seconds, value)
        for x, value in _read(connection, series, statistic, period, metric_points.c.at, span, limit)
    ]


def by_step(
    connection: Connection,
    series: Series,
    statistic: Statistic,
    span: tuple[float | None, float | None],
    limit: int,
) -> Curve:
    """The first `limit` iterations that have points within a span of iterations [start, end]."""
    step = metric_points.c.step
    return [(int(x), value) for x, value in _read(connection, series, statistic, step, step, span, limit)]


def _read(
    connection: Connection,
    series: Series,
    statistic: Statistic,
    x: ColumnElement[Any],
    axis: ColumnElement[Any],
    span: tuple[float | None, float | None],
    limit: int,
) -> Sequence[Any]:
    start, end = span
    where: list[ColumnElement[bool]] = [axis.is_not(None)]
    where += [axis >= start] if start is not None else []
    where += [axis <= end] if end is not None else []
    value = metric_points.c.value
    latest = (metric_points.c.at.desc(), metric_points.c.id.desc())
    its = (
        select(
            x.label("x"),
            value.label("value"),
            func.avg(value).over(partition_by=x).label("mean"),
            func.first_value(value).over(partition_by=x, order_by=latest).label("last"),
        )
        .where(*is_point_of(series), *where)
        .subquery()
    )
    told = {
        Statistic.MINIMUM: func.min(its.c.value),
        Statistic.MAXIMUM: func.max(its.c.value),
        Statistic.MEAN: func.avg(its.c.value),
        Statistic.COUNT: sql_cast(func.count(), Float),
        Statistic.LAST: func.max(its.c.last),  # which all have
        Statistic.DEVIATION: func.sqrt(func.avg((its.c.value - its.c.mean) * (its.c.value - its.c.mean))),
    }
    return connection.execute(select(its.c.x, told[statistic]).group_by(its.c.x).order_by(its.c.x).limit(limit)).all()
