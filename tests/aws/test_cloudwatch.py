"""CloudWatch's answers from recorded points."""

from datetime import UTC, datetime
from typing import Any

import pytest

from lowcloud.aws import cloudwatch
from lowcloud.core import metrics
from lowcloud.core.access import Caller
from lowcloud.core.cloud import Cloud
from lowcloud.core.metrics import Point, Series

SPAN = {"StartTime": datetime.fromtimestamp(0, UTC), "EndTime": datetime.fromtimestamp(120, UTC)}


@pytest.mark.parametrize(("unit", "count"), [({}, 1), ({"Unit": "None"}, 1), ({"Unit": "Seconds"}, 0)])
def test_points_of_another_unit_than_asked_for_are_none(cloud: Cloud, unit: dict[str, str], count: int) -> None:
    with cloud.database.transaction() as connection:
        metrics.record(connection, [(Series("space", "loss"), Point(60.0, 0.5))])
    caller = Caller(cloud.settings.account_id, None, None)
    metric = {"Namespace": "space", "MetricName": "loss"}
    asked: dict[str, Any] = {**SPAN, **metric, "Period": 60, "Statistics": ["Sum"], **unit}
    assert len(cloudwatch.get_metric_statistics(cloud, caller, asked)["Datapoints"]) == count
    query = {"Id": "q", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum", **unit}}
    found = cloudwatch.get_metric_data(cloud, caller, {**SPAN, "MetricDataQueries": [query]})
    assert len(found["MetricDataResults"][0]["Values"]) == count
