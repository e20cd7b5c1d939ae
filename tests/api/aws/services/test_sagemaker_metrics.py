"""The metrics service through boto3: points that are put, and the curves and summaries they make."""

import math
import statistics
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.servers.endpoint import ACCOUNT
from tests.support.servers.server import Server

COMPONENT = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:experiment-trial-component/"


@pytest.fixture(scope="module")
def sagemaker(server: Server) -> Any:
    return server.client("sagemaker")


@pytest.fixture(scope="module")
def metrics(server: Server) -> Any:
    return server.client("sagemaker-metrics")


def put(metrics: Any, component: str, values: list[float], at: datetime, step: int | None = 0) -> None:
    """One point a second and, where there are steps, one a step."""
    points = [
        {"MetricName": "loss", "Value": value, "Timestamp": at + timedelta(seconds=number)}
        | ({} if step is None else {"Step": step + number})
        for number, value in enumerate(values)
    ]
    assert "Errors" not in metrics.batch_put_metrics(TrialComponentName=component, MetricData=points)


def query(name: str, stat: str = "Last", axis: str = "IterationNumber", **more: Any) -> dict[str, Any]:
    period = "IterationNumber" if axis == "IterationNumber" else "OneMinute"
    return {
        "MetricName": "loss", "ResourceArn": COMPONENT + name, "MetricStat": stat, "Period": period, "XAxisType": axis,
    } | more  # fmt: skip


def test_a_component_has_the_statistics_of_its_points(sagemaker, metrics):
    sagemaker.create_trial_component(TrialComponentName="Summed")
    now = datetime.now(UTC).replace(microsecond=0)
    values = [1e9 + value for value in (4.0, 7.0, 13.0, 16.0, 1.0, 2.0, 5.5)]
    put(metrics, "summed", values[3:], now)
    put(metrics, "summed", values[:3], now - timedelta(minutes=5))
    (found,) = sagemaker.describe_trial_component(TrialComponentName="Summed")["Metrics"]
    assert found["MetricName"] == "loss"
    assert found["Count"] == len(values)
    assert (found["Min"], found["Max"]) == (min(values), max(values))
    assert found["Last"] == values[-1], "the latest in time, though others came later"
    assert math.isclose(found["Avg"], statistics.fmean(values), rel_tol=1e-15)
    assert math.isclose(found["StdDev"], statistics.pstdev(values), rel_tol=1e-6)
    assert found["TimeStamp"] == now + timedelta(seconds=3)
    assert found["SourceArn"].endswith("experiment-trial-component/Summed")


def test_invalid_points_are_reported_and_the_others_stored(sagemaker, metrics):
    sagemaker.create_trial_component(TrialComponentName="partly")
    now = datetime.now(UTC)
    point = {"MetricName": "loss", "Value": 1.0, "Timestamp": now}
    data = [point, point | {"Timestamp": now - timedelta(days=15)}, point | {"Timestamp": now + timedelta(hours=3)}]
    answer = metrics.batch_put_metrics(TrialComponentName="partly", MetricData=data)
    assert answer["Errors"] == [
        {"Code": "VALIDATION_ERROR", "MetricIndex": 1},
        {"Code": "VALIDATION_ERROR", "MetricIndex": 2},
    ]
    (found,) = sagemaker.describe_trial_component(TrialComponentName="partly")["Metrics"]
    assert found["Count"] == 1
    with pytest.raises(ClientError, match="does not exist"):
        metrics.batch_put_metrics(TrialComponentName="nowhere", MetricData=[point])
    with pytest.raises(ClientError, match="less than or equal to 10"):
        metrics.batch_put_metrics(TrialComponentName="partly", MetricData=[point] * 11)


def test_curves_go_over_iterations_and_over_time(sagemaker, metrics):
    sagemaker.create_trial_component(TrialComponentName="curve")
    minute = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=1)
    put(metrics, "curve", [5.0, 4.0, 3.0], minute)
    put(metrics, "curve", [7.0, 6.0], minute + timedelta(minutes=2), step=1)
    put(metrics, "curve", [100.0], minute + timedelta(minutes=3), step=None)
    answers = metrics.batch_get_metrics(
        MetricQueries=[
            query("curve"),
            query("curve", "Avg"),
            query("curve", "StdDev", Start=1, End=1),
            query("curve", "Count", "Timestamp"),
            query("curve", "Max", "Timestamp", Start=int(minute.timestamp()) + 60),
            query("nowhere"),
            query("curve", "Last", "Timestamp", Period="IterationNumber"),
        ]
    )["MetricQueryResults"]
    begin = int(minute.timestamp())
    assert [(one["Status"], one["XAxisValues"], one["MetricValues"]) for one in answers[:5]] == [
        ("Complete", [0, 1, 2], [5.0, 7.0, 6.0]),
        ("Complete", [0, 1, 2], [5.0, 5.5, 4.5]),
        ("Complete", [1], [1.5]),
        ("Complete", [begin, begin + 120, begin + 180], [3.0, 2.0, 1.0]),
        ("Complete", [begin + 120, begin + 180], [7.0, 100.0]),
    ]
    assert [one["Status"] for one in answers[5:]] == ["ValidationError"] * 2


def test_metrics_are_deleted_with_their_component(sagemaker, metrics):
    for _ in range(2):
        sagemaker.create_trial_component(TrialComponentName="gone")
        put(metrics, "gone", [1.0], datetime.now(UTC))
        (found,) = sagemaker.describe_trial_component(TrialComponentName="gone")["Metrics"]
        assert found["Count"] == 1
        sagemaker.delete_trial_component(TrialComponentName="gone")
