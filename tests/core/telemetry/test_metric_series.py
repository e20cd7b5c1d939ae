"""The summary of a series matches its points, in whatever order they arrive, on both databases."""

import math
import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowcloud.core.context import Context
from lowcloud.core.telemetry import metric_series, metrics
from lowcloud.core.telemetry.metric_series import Statistic
from lowcloud.core.telemetry.metrics import MetricScope, Point, Series
from tests.support.servers.gateways import make_context

SCOPE = MetricScope("jobs", "JobName")
LOSS = SCOPE.series("job", "loss")
POINTS = st.lists(st.tuples(st.floats(0, 100), st.floats(-1e6, 1e6)), min_size=1, max_size=12)


def record(context: Context, series: Series, points: list[Point]) -> None:
    with context.database.transaction() as connection:
        metrics.record(connection, [(series, point) for point in points])


def summary(context: Context) -> metrics.Statistics:
    with context.database.read() as connection:
        (found,) = metrics.statistics(connection, SCOPE, ["job"])["job"]
    return found


def test_batches_are_merged_without_losing_digits(context):
    values = [1e9 + value for value in (0.0, 1.0, 2.5, -3.0, 4.0, 0.25)]
    for start, end in ((0, 1), (1, 4), (4, 6)):
        record(context, LOSS, [Point(float(at), values[at]) for at in range(start, end)])
    found = summary(context)
    assert (found.count, found.minimum, found.maximum) == (6, min(values), max(values))
    assert math.isclose(found.mean, statistics.fmean(values), rel_tol=1e-15)
    assert math.isclose(found.deviation, statistics.pstdev(values), rel_tol=1e-6)
    assert (found.last, found.last_at) == (values[-1], 5.0)


def test_the_last_value_is_the_latest_in_time_then_in_order_of_arrival(context):
    record(context, LOSS, [Point(10.0, 1.0), Point(10.0, 2.0)])
    record(context, LOSS, [Point(5.0, 3.0)])
    with context.database.read() as connection:
        assert metrics.final_values(connection, SCOPE, ["job"])["job"] == {"loss": Point(10.0, 2.0)}
    record(context, LOSS, [Point(10.0, 4.0)])
    with context.database.read() as connection:
        assert metrics.final_values(connection, SCOPE, ["job"])["job"] == {"loss": Point(10.0, 4.0)}


def test_series_are_separate_and_deleted_separately(context):
    other = SCOPE.series("other", "loss")
    for series in (LOSS, other, SCOPE.series("job", "accuracy")):
        record(context, series, [Point(0.0, 1.0)])
    with context.database.transaction() as connection:
        assert set(metrics.final_values(connection, SCOPE, ["job", "other", "none"])) == {"job", "other"}
        metrics.delete_all(connection, SCOPE, "job")
        assert set(metrics.final_values(connection, SCOPE, ["job", "other"])) == {"other"}
    assert metrics.list_series(context) == [other]


@pytest.mark.parametrize(
    ("statistic", "reported"),
    [
        (Statistic.MINIMUM, min),
        (Statistic.MAXIMUM, max),
        (Statistic.MEAN, statistics.fmean),
        (Statistic.DEVIATION, statistics.pstdev),
        (Statistic.COUNT, len),
        (Statistic.LAST, lambda values: values[-1]),
    ],
)
def test_a_curve_has_a_value_for_each_iteration_and_each_period(context, statistic, reported):
    values = {0: [3.0, 1.0, 2.0], 1: [5.0], 7: [1e6, 1e6 + 1]}
    for step, of_step in values.items():
        record(context, LOSS, [Point(60.0 * step + at, value, step) for at, value in enumerate(of_step)])
    record(context, LOSS, [Point(600.0, 9.0)])
    by_step = metric_series.by_step(context, LOSS, statistic, (None, None), 10)
    by_time = metric_series.by_time(context, LOSS, statistic, 60, (0, 599), 10)
    some = metric_series.by_step(context, LOSS, statistic, (1, None), 1)
    assert [x for x, _ in by_step] == [0, 1, 7]
    assert [x for x, _ in by_time] == [0, 60, 420]
    for curve in (by_step, by_time):
        for (_, value), of_step in zip(curve, values.values(), strict=True):
            assert math.isclose(value, reported(of_step), rel_tol=1e-9)
    assert some == by_step[1:2]


@given(batches=st.lists(POINTS, min_size=1, max_size=4))
def test_summaries_do_not_depend_on_batches(tmp_path_factory, batches):
    context = make_context(Path(tmp_path_factory.mktemp("merged")) / "home")
    for batch in batches:
        record(context, LOSS, [Point(at, value) for at, value in batch])
    values = [value for batch in batches for _, value in batch]
    latest = max(at for batch in batches for at, _ in batch)
    found = summary(context)
    context.database.close()
    assert (found.count, found.minimum, found.maximum, found.last_at) == (len(values), min(values), max(values), latest)
    assert found.last == [value for batch in batches for at, value in batch if at == latest][-1]
    assert math.isclose(found.mean, statistics.fmean(values), rel_tol=1e-9, abs_tol=1e-6)
    assert math.isclose(found.deviation, statistics.pstdev(values), rel_tol=1e-6, abs_tol=1e-6)
