"""CloudWatch's answers from recorded points."""

from datetime import UTC, datetime
from typing import Any

import pytest

from lowcloud.api.aws.services import cloudwatch
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.telemetry import metrics
from lowcloud.core.telemetry.metrics import Point, Series

SPAN = {"StartTime": datetime.fromtimestamp(0, UTC), "EndTime": datetime.fromtimestamp(120, UTC)}


@pytest.mark.parametrize(("unit", "count"), [({}, 1), ({"Unit": "None"}, 1), ({"Unit": "Seconds"}, 0)])
def test_points_of_another_unit_than_requested_are_left_out(context: Context, unit: dict[str, str], count: int) -> None:
    with context.database.transaction() as connection:
        metrics.record(connection, [(Series("space", "loss"), Point(60.0, 0.5))])
    caller = Caller(context.settings.account_id)
    metric = {"Namespace": "space", "MetricName": "loss"}
    requested: dict[str, Any] = {**SPAN, **metric, "Period": 60, "Statistics": ["Sum"], **unit}
    assert len(cloudwatch.get_metric_statistics(context, caller, requested)["Datapoints"]) == count
    query = {"Id": "q", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum", **unit}}
    found = cloudwatch.get_metric_data(context, caller, {**SPAN, "MetricDataQueries": [query]})
    assert len(found["MetricDataResults"][0]["Values"]) == count
