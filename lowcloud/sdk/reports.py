"""What is told of jobs and endpoints: their metrics, and facts as text and as HTML."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any

from lowcloud.sdk.cloud import Cloud
from lowcloud.sdk.errors import asking

NAMESPACE = "/aws/sagemaker/TrainingJobs"
QUERIES = 500  # that one GetMetricData takes
CELL = "text-align:left;padding:2px 12px 2px 0;vertical-align:top"


def metric_series(cloud: Cloud, job: str) -> dict[str, list[tuple[datetime, float]]]:
    """Times and values of each metric of a training job, oldest first."""
    dimensions = [{"Name": "TrainingJobName", "Value": job}]
    with asking():
        pages = cloud.cloudwatch.get_paginator("list_metrics").paginate(Namespace=NAMESPACE, Dimensions=dimensions)
        names = sorted({one["MetricName"] for page in pages for one in page["Metrics"]})
        found: dict[str, list[tuple[datetime, float]]] = {}
        for start in range(0, len(names), QUERIES):
            found |= _values(cloud, names[start : start + QUERIES], dimensions)
    return found


def text(facts: Mapping[str, Any]) -> str:
    """A line a fact."""
    width = max(map(len, facts)) + 2
    return "\n".join(f"{name:{width}}{_line(fact)}" for name, fact in facts.items())


def html(facts: Mapping[str, Any]) -> str:
    """A table, a row a fact."""
    rows = (
        f'<tr><th style="{CELL}">{escape(name)}</th><td style="{CELL}">{escape(_line(fact))}</td></tr>'
        for name, fact in facts.items()
    )
    return f"<table>{''.join(rows)}</table>"


def number(value: float) -> str:
    """A metric's value, short."""
    return f"{value:.4g}"


def _values(
    cloud: Cloud, names: list[str], dimensions: list[dict[str, str]]
) -> dict[str, list[tuple[datetime, float]]]:
    queries = [
        {
            "Id": f"m{number}",
            "MetricStat": {
                "Metric": {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": dimensions},
                "Period": 1,
                "Stat": "Average",
            },
        }
        for number, name in enumerate(names)
    ]
    now = datetime.now(UTC)
    series: dict[str, list[tuple[datetime, float]]] = {name: [] for name in names}
    pages = cloud.cloudwatch.get_paginator("get_metric_data").paginate(
        MetricDataQueries=queries,
        StartTime=now - timedelta(days=30),
        EndTime=now + timedelta(seconds=2),
        ScanBy="TimestampAscending",
    )
    for page in pages:
        for result in page["MetricDataResults"]:
            points = zip(result["Timestamps"], result["Values"], strict=True)
            series[names[int(result["Id"][1:])]] += points
    return {name: points for name, points in series.items() if points}


def _line(fact: object) -> str:
    if isinstance(fact, Mapping):
        return ", ".join(f"{name}={number(one) if isinstance(one, float) else one}" for name, one in fact.items())
    return str(fact)
