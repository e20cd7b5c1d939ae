"""Metrics of jobs, and facts about jobs and endpoints as text and HTML."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any

from lowcloud.sdk.connection import Cloud
from lowcloud.sdk.errors import translate_errors

NAMESPACE = "/aws/sagemaker/TrainingJobs"
MAX_QUERIES = 500  # in one GetMetricData request
CELL = "text-align:left;padding:2px 12px 2px 0;vertical-align:top"


def metric_series(cloud: Cloud, job: str) -> dict[str, list[tuple[datetime, float]]]:
    """Return the times and values of each metric of a training job, oldest first."""
    dimensions = [{"Name": "TrainingJobName", "Value": job}]
    with translate_errors():
        pages = cloud.cloudwatch.get_paginator("list_metrics").paginate(Namespace=NAMESPACE, Dimensions=dimensions)
        names = sorted({metric["MetricName"] for page in pages for metric in page["Metrics"]})
        found: dict[str, list[tuple[datetime, float]]] = {}
        for start in range(0, len(names), MAX_QUERIES):
            found |= _values(cloud, names[start : start + MAX_QUERIES], dimensions)
    return found


def to_text(facts: Mapping[str, Any]) -> str:
    """Return one line for each fact."""
    width = max(map(len, facts)) + 2
    return "\n".join(f"{name:{width}}{_format_fact(fact)}" for name, fact in facts.items())


def to_html(facts: Mapping[str, Any]) -> str:
    """Return a table with one row for each fact."""
    rows = (
        f'<tr><th style="{CELL}">{escape(name)}</th><td style="{CELL}">{escape(_format_fact(fact))}</td></tr>'
        for name, fact in facts.items()
    )
    return f"<table>{''.join(rows)}</table>"


def format_number(value: float) -> str:
    """Return a metric's value in short form."""
    return f"{value:.4g}"


def _values(
    cloud: Cloud, names: list[str], dimensions: list[dict[str, str]]
) -> dict[str, list[tuple[datetime, float]]]:
    queries = [
        {
            "Id": f"m{format_number}",
            "MetricStat": {
                "Metric": {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": dimensions},
                "Period": 1,
                "Stat": "Average",
            },
        }
        for format_number, name in enumerate(names)
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


def _format_fact(fact: object) -> str:
    if isinstance(fact, Mapping):
        return ", ".join(
            f"{name}={format_number(value) if isinstance(value, float) else value}" for name, value in fact.items()
        )
    return str(fact)
