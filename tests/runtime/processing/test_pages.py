"""Plots and pages: accessible, accurate, and small for large data."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lowcloud.runtime.processing import plots
from lowcloud.runtime.processing.page import HtmlPage, TextCell
from lowcloud.runtime.processing.plots import Axes, Line
from tests.support.programs.processing_runs import Checked

UNIT = (0.0, 1.0)


def test_a_line_goes_through_its_points() -> None:
    svg = plots.lines("t", "s", Axes("x", "y", UNIT, UNIT), [Line("l", [0, 0.5, 1], [0, 1, 0])])
    points = re.search(r'polyline class="line s0" points="([^"]+)"', svg)
    assert points is not None
    places = [tuple(map(float, point.split(","))) for point in points[1].split()]
    assert [x for x, _ in places] == [58.0, 252.0, 446.0]
    assert [y for _, y in places] == [274.0, 12.0, 274.0]


def test_a_bar_is_as_high_as_its_count() -> None:
    svg = plots.histogram("t", "s", Axes("x", "y"), [0.0, 1.0, 2.0], [("a", [10, 5])])
    heights = [float(height) for height in re.findall(r'<rect [^>]*height="([\d.]+)"/>', svg)]
    assert heights == [262.0, 131.0]


def test_a_line_of_a_million_points_stays_small_and_keeps_its_ends() -> None:
    x = [i / 1e6 for i in range(1_000_001)]
    svg = plots.lines("t", "s", Axes("x", "y", UNIT, UNIT), [Line("l", x, x)])
    assert len(svg) < 20_000
    assert "58.0,274.0" in svg
    assert "446.0,12.0" in svg


def test_non_finite_points_are_left_out() -> None:
    svg = plots.lines("t", "s", Axes("x", "y"), [Line("l", [0, 1, 2], [1, float("nan"), float("inf")], "dots")])
    assert svg.count("<circle") == 1
    assert "nan" not in svg


@given(st.floats(-1e12, 1e12), st.floats(1e-6, 1e12))
def test_ticks_are_few_round_and_inside(low: float, width: float) -> None:
    assume(width > 1e-9 * abs(low))  # else the numbers themselves are too few between the two
    high = low + width
    found = plots.ticks(low, high)
    assert 1 <= len(found) <= 7
    assert all(low - 1e-6 * width <= value <= high + 1e-6 * width for value, _ in found) or low == high


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.25, "0.25"), (1500, "1,500"), (250_000, "250k"), (1.5e6, "1.5M"), (3e9, "3G")]
)
def test_numbers_are_written_short(value: float, text: str) -> None:
    assert plots.amount(value) == text


def test_every_plot_has_a_description() -> None:
    pictures = [
        plots.lines("Title", "Sentence", Axes("x", "y"), [Line("a", [0, 1], [1, 2]), Line("b", [0, 1], [2, 1])]),
        plots.histogram("Title", "Sentence", Axes("x", "y"), [0.0, 1.0], [("a", [1])]),
        plots.bars("Title", "Sentence", [("a", 1.0), ("b", 0.0)], str),
        plots.matrix("Title", "Sentence", ["a", "b"], [[1, 2], [0, 0]]),
    ]
    for svg in pictures:
        assert 'role="img" aria-label="Title. Sentence"' in svg


def test_a_page_contains_its_input_escaped() -> None:
    page = HtmlPage("A < B", "lead & more")
    page.heading("Part", "note")
    page.numbers([("name", "<1>", "below")])
    page.warning("<script>")
    page.table([TextCell("a"), "b"], [[TextCell("<i>x</i>"), "1"]], folded="more")
    page.plots([("t", plots.bars("t", "s", [("<b>", 1.0)], str), "c")])
    texts = Checked(page.html()).texts
    assert {"A < B", "lead & more", "<1>", "<script>", "<i>x</i>", "<b>"} <= set(texts)
