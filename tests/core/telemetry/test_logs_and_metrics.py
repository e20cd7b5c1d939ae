"""Log lines and metric points: collected once, in order, and found again."""

import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lowcloud.core.context import Context
from lowcloud.core.errors import NotFoundError
from lowcloud.core.telemetry import logs, metrics
from lowcloud.core.telemetry.metrics import Point, Series
from lowcloud.engine.work import LogLine, LogPage

GROUP = "/aws/sagemaker/TrainingJobs"


def printing(context: Context, lines: list[str], at_once: int = 2) -> Context:
    """A context whose engine has printed lines; an offset is a number of lines."""

    def read(_work: str, _replica: int, offset: int) -> LogPage:
        page = lines[offset : offset + at_once]
        return LogPage(tuple(LogLine(1000 + n, text) for n, text in enumerate(page, offset)), offset + len(page))

    return replace(context, engine=SimpleNamespace(logs=read))  # type: ignore[arg-type]


def messages(context: Context, **options: object) -> list[str]:
    return [event.message for event in logs.read_stream(context, GROUP, "s", 100, **options)]  # type: ignore[arg-type]


def test_lines_are_collected_once_and_in_order(context):
    lines = ["a", "b", "c"]
    printed = printing(context, lines)
    logs.collect(printed, GROUP, "s", "work", 0)
    lines.append("d")
    logs.collect(printed, GROUP, "s", "work", 0)
    logs.collect(printed, GROUP, "s", "work", 0)
    assert messages(context, after=0) == ["a", "b", "c", "d"]


def test_a_line_may_contain_any_character(context):
    lines = ["NUL \0 within", "\0", "\1\2", "\x1b[31mred\x1b[0m", "\ufffd \U0001f600", "a" * 300_000]
    logs.collect(printing(context, lines), GROUP, "s", "work", 0)
    assert messages(context, after=0) == [line[: logs.MAX_MESSAGE_CHARACTERS] for line in lines]


def test_lines_and_derived_lines_are_saved_atomically(context):
    printed = printing(context, ["a", "b"])

    def fail(*_arguments: object) -> None:
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        logs.collect(printed, GROUP, "s", "work", 0, fail)
    logs.collect(printed, GROUP, "s", "work", 0)
    assert messages(context, after=0) == ["a", "b"]


def test_pages_go_forward_and_backward_within_times(context):
    logs.collect(printing(context, list("abcdef")), GROUP, "s", "work", 0)
    events = logs.read_stream(context, GROUP, "s", 2, after=0)
    assert [event.message for event in events] == ["a", "b"]
    assert messages(context, after=events[-1].id) == ["c", "d", "e", "f"]
    assert [event.message for event in logs.read_stream(context, GROUP, "s", 2)] == ["e", "f"]
    assert messages(context, before=events[-1].id) == ["a"]
    assert messages(context, after=0, start_ms=1002, end_ms=1004) == ["c", "d"]


def test_unknown_groups_and_streams_are_distinguished(context):
    logs.open_stream(context, GROUP, "s")
    with pytest.raises(NotFoundError, match="log stream"):
        logs.read_stream(context, GROUP, "other", 1)
    with pytest.raises(NotFoundError, match="log group"):
        logs.read_stream(context, "nowhere", "s", 1)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [("ERROR", [0, 2]), ("ERROR -disk", [2]), ('"no space"', [0]), ("?disk ?info", [0, 1]), ("ERROR info", [])],
)
def test_a_filter_pattern_is_words_phrases_exclusions_and_alternatives(pattern, found):
    lines = ["ERROR disk: no space", "info: all well", "ERROR network"]
    terms = logs.parse_terms(pattern)
    assert [n for n, line in enumerate(lines) if terms.match(line)] == found


@given(st.lists(st.tuples(st.floats(0, 600), st.floats(-1e6, 1e6)), min_size=1, max_size=30), st.sampled_from([1, 60]))
def test_periods_aggregate_exactly_their_points(tmp_path_factory, points, period):
    context = _fresh_cloud(tmp_path_factory)
    series = Series("namespace", "name", (("Job", "one"),))
    with context.database.transaction() as connection:
        metrics.record(connection, [(series, Point(at, value)) for at, value in points])
    summaries = metrics.summarise(context, series, 0.0, 601.0, period)
    assert sum(summary.count for summary in summaries) == len(points)
    for summary in summaries:
        inside = [value for at, value in points if summary.start <= at < summary.start + period]
        assert summary.count == len(inside)
        assert (summary.minimum, summary.maximum) == (min(inside), max(inside))
        assert math.isclose(summary.total, sum(inside), rel_tol=1e-9, abs_tol=1e-6)
    context.database.close()


def _fresh_cloud(tmp_path_factory: pytest.TempPathFactory) -> Context:
    from tests.support.servers.gateways import make_context

    return make_context(tmp_path_factory.mktemp("metrics") / "home")
