"""Extraction of metrics from log lines; a user's expression cannot block it."""

import threading
import time

import pytest

from lowcloud.core.telemetry import metric_extraction
from lowcloud.core.telemetry.metric_extraction import SlowMetrics
from lowcloud.core.telemetry.metrics import Definition, Point
from lowcloud.engine.work import LogLine

LOSS = Definition("loss", r"loss=(\S+)")
ENDLESS = Definition("endless", r"(a|aa)+$")
TRAP = LogLine(5000, "a" * 60 + "!")


def test_metrics_are_found_in_lines_and_invalid_numbers_are_ignored(context):
    lines = [LogLine(1000, "loss=0.5"), LogLine(2000, "loss=nan"), LogLine(3000, "loss=x"), LogLine(4000, "none")]
    for own, users in (([LOSS], []), ([], [LOSS])):
        assert metric_extraction.find(context, "job", own, users, lines) == ([("loss", Point(1.0, 0.5))], [])


@pytest.fixture(autouse=True)
def short_patience(monkeypatch):
    monkeypatch.setattr(metric_extraction, "PAGE_SECONDS", 0.1)


def test_a_slow_expression_is_disabled_with_a_message_and_the_others_are_found(context):
    found, sentences = metric_extraction.find(context, "job", [], [ENDLESS, LOSS], [LogLine(1000, "loss=0.5"), TRAP])
    assert found == [("loss", Point(1.0, 0.5))]
    assert len(sentences) == 1
    assert "'endless'" in sentences[0]
    assert metric_extraction.find(context, "job", [], [ENDLESS], [TRAP]) == ([], []), (
        "it is neither tried nor reported again"
    )
    assert metric_extraction.find(context, "another", [], [ENDLESS], [TRAP])[1], "another job's log may suit it"


def test_a_slow_expression_is_tried_again_once_its_job_has_ended(context):
    assert metric_extraction.find(context, "job", [], [ENDLESS], [TRAP])[1]
    context.memory.get(SlowMetrics).forget("job")
    assert metric_extraction.find(context, "job", [], [ENDLESS], [TRAP])[1], "of a later job of this name"


def test_other_threads_continue_while_an_expression_is_matched(context):
    ticks = []
    is_over = threading.Event()

    def tick() -> None:
        while not is_over.wait(0.001):
            ticks.append(time.monotonic())

    thread = threading.Thread(target=tick)
    thread.start()
    metric_extraction.find(context, "job", [], [ENDLESS], [TRAP])
    is_over.set()
    thread.join()
    assert len(ticks) > 50
