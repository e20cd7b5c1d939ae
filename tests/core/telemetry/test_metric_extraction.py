"""Extraction of metrics from log lines; a user's expression cannot block it."""

import pytest

from lowcloud.core.telemetry import metric_extraction
from lowcloud.core.telemetry.metric_extraction import MetricFaults
from lowcloud.core.telemetry.metrics import Definition, Point
from lowcloud.engine.work import LogLine

LOSS = Definition("loss", r"loss=(\S+)")
ENDLESS = Definition("endless", "(?:[ab]?){900}(c)")  # 4 s on one line of this length
TRAP = LogLine(5000, "ab" * 12_000)


def test_metrics_are_found_in_lines_and_values_that_are_no_numbers_are_reported_once(context):
    lines = [LogLine(1000, "loss=0.5"), LogLine(2000, "loss=nan"), LogLine(3000, "loss=x"), LogLine(4000, "none")]
    assert metric_extraction.find(context, "job", [LOSS], [], lines) == ([("loss", Point(1.0, 0.5))], [])
    found, messages = metric_extraction.find(context, "job", [], [LOSS], lines)
    assert found == [("loss", Point(1.0, 0.5))]
    assert len(messages) == 1
    assert "'loss'" in messages[0]
    assert "'nan'" in messages[0]
    assert metric_extraction.find(context, "job", [], [LOSS], lines) == (found, [])
    assert metric_extraction.find(context, "another", [], [LOSS], lines) == (found, messages)


def test_an_expression_that_backtracks_catastrophically_elsewhere_is_searched_for_in_linear_time(context):
    definition = Definition("value", "(?:a|aa)+(b)?=([0-9]+)$|^(?:a+)+$")
    trap = LogLine(1000, "a" * 100_000 + "!")
    assert metric_extraction.find(context, "job", [], [definition, LOSS], [trap, LogLine(2000, "loss=1")]) == (
        [("loss", Point(2.0, 1.0))],
        [],
    )


def test_an_expression_of_an_earlier_version_that_is_not_accepted_is_disabled_with_the_reason(context):
    stored = Definition("loss", "(?<=loss=)([0-9]+)")
    found, messages = metric_extraction.find(context, "job", [], [stored], [LogLine(1000, "loss=1")])
    assert found == []
    assert "look-around" in messages[0]
    assert metric_extraction.find(context, "job", [], [stored], [LogLine(1000, "loss=1")]) == ([], [])


@pytest.fixture(autouse=True)
def short_patience(monkeypatch):
    monkeypatch.setattr(metric_extraction, "PAGE_SECONDS", 0.01)


def test_a_slow_expression_is_disabled_with_a_message_and_the_others_are_found(context):
    found, sentences = metric_extraction.find(
        context, "job", [], [ENDLESS, LOSS], [LogLine(1000, "loss=0.5"), TRAP, TRAP]
    )
    assert found == [("loss", Point(1.0, 0.5))]
    assert len(sentences) == 1
    assert "'endless'" in sentences[0]
    assert metric_extraction.find(context, "job", [], [ENDLESS], [TRAP, TRAP]) == ([], []), (
        "it is neither tried nor reported again"
    )
    assert metric_extraction.find(context, "another", [], [ENDLESS], [TRAP, TRAP])[1], "another job's log may suit it"


def test_a_slow_expression_is_tried_again_once_its_job_has_ended(context):
    assert metric_extraction.find(context, "job", [], [ENDLESS], [TRAP, TRAP])[1]
    context.memory.get(MetricFaults).forget("job")
    assert metric_extraction.find(context, "job", [], [ENDLESS], [TRAP, TRAP])[1], "of a later job of this name"
