"""Plots as inline SVG: lines, points, histograms, bars and matrices, styled by the page's style sheet (page.py).

For screen readers every plot is one image with a title and a description. There are no scripts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, isfinite, log10

POINTS = 600  # of a line; more make the page larger without a visible difference
WIDTH, HEIGHT = 460, 320
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 12, 46

Floats = Sequence[float]


@dataclass(frozen=True)
class Line:
    """A line through points; `style` is how they are drawn: line, steps or dots."""

    name: str
    x: Floats
    y: Floats
    style: str = "line"
    number: int | None = None  # of its colour; by default its index among the lines


@dataclass(frozen=True)
class Axes:
    """The labels and ranges of the axes. A range of None is computed from the points."""

    x: str
    y: str
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    diagonal: bool = False  # the diagonal, for chance or a perfect model
    marks: tuple[float, ...] = ()  # vertical lines
    levels: tuple[float, ...] = ()  # horizontal lines


def lines(title: str, sentence: str, axes: Axes, series: Sequence[Line], *, has_legend: bool = True) -> str:
    """Draw lines or dots on two axes, with a legend if there are several."""
    frame = _Frame(axes, [x for line in series for x in line.x], [y for line in series for y in line.y])
    body = [frame.grid()]
    if axes.diagonal:
        body.append(frame.segment(corner(frame, 0), corner(frame, 1), "reference"))
    body += [frame.segment((x, frame.y_range[0]), (x, frame.y_range[1]), "reference") for x in axes.marks]
    body += [frame.draw(line, i) for i, line in enumerate(series)]
    body += [frame.segment((frame.x_range[0], y), (frame.x_range[1], y), "reference") for y in axes.levels]
    height = HEIGHT
    if has_legend and len(series) > 1:
        body.append(_legend([line.name for line in series]))
        height += 20 * ceil(len(series) / 3)
    return _svg(title, sentence, WIDTH, height, "".join(body))


def histogram(title: str, sentence: str, axes: Axes, edges: Floats, series: Sequence[tuple[str, Floats]]) -> str:
    """Draw counts between edges (bins + 1); several series overlap half transparently."""
    top = max((max(counts, default=0) for _, counts in series), default=0)
    frame = _Frame(
        Axes(axes.x, axes.y, axes.x_range or (edges[0], edges[-1]), axes.y_range or (0, top or 1)), edges, [0, top]
    )
    body = [frame.grid()]
    for i, (_, counts) in enumerate(series):
        bars = [frame.bar(edges[k], edges[k + 1], count) for k, count in enumerate(counts) if count]
        body.append(f'<g class="bar s{i % 8}">{"".join(bars)}</g>')
    body += [frame.segment((x, frame.y_range[0]), (x, frame.y_range[1]), "reference") for x in axes.marks]
    if len(series) > 1:
        body.append(_legend([name for name, _ in series]))
    return _svg(title, sentence, WIDTH, HEIGHT + (20 if len(series) > 1 else 0), "".join(body))


def bars(title: str, sentence: str, values: Sequence[tuple[str, float]], write: Callable[[float], str]) -> str:
    """Draw horizontal bars with their values."""
    top = max((abs(value) for _, value in values), default=0) or 1
    rows = []
    for i, (name, value) in enumerate(values):
        y = 6 + 26 * i
        width = max(abs(value) / top * (WIDTH - 250), 0.5)
        rows.append(
            f'<text class="tick end" x="150" y="{y + 15}">{escape(_short(name, 24))}</text>'
            f'<rect class="bar s0" x="158" y="{y + 2}" width="{width:.1f}" height="18" rx="2"/>'
            f'<text class="tick" x="{164 + width:.1f}" y="{y + 15}">{escape(write(value))}</text>'
        )
    return _svg(title, sentence, WIDTH, 12 + 26 * len(values), "".join(rows))


def matrix(title: str, sentence: str, names: Sequence[str], counts: Sequence[Floats]) -> str:
    """Draw a confusion matrix: rows are the truth, columns the prediction, shaded by the share of the row."""
    size = max(22, min(92, 380 // max(len(names), 1)))
    left, top = 104, 64
    cells = []
    for i, row in enumerate(counts):
        total = sum(row) or 1
        for j, count in enumerate(row):
            x, y, share = left + size * j, top + size * i, count / total
            middle_x, middle_y = x + size / 2, y + size / 2
            kind = "right" if i == j else "wrong"
            strong = " strong" if share > 0.55 else ""
            cells.append(
                f'<rect class="cell {kind}" x="{x}" y="{y}" width="{size - 2}" height="{size - 2}" rx="3" '
                f'style="fill-opacity:{0.06 + 0.9 * share:.2f}"><title>{escape(str(names[i]))} predicted as '
                f"{escape(str(names[j]))}: {count:,.6g} ({share:.1%})</title></rect>"
            )
            if size >= 34:
                cells.append(
                    f'<text class="count{strong}" x="{middle_x:.0f}" y="{middle_y + (1 if size >= 50 else 4):.0f}">'
                    f"{amount(count)}</text>"
                )
            if size >= 50:
                cells.append(
                    f'<text class="share{strong}" x="{middle_x:.0f}" y="{middle_y + 16:.0f}">{share:.0%}</text>'
                )
    for i, name in enumerate(names):
        middle = size * i + size / 2
        short = escape(_short(str(name), 14))
        cells.append(f'<text class="tick end" x="{left - 8}" y="{top + middle + 3:.0f}">{short}</text>')
        turned = f'transform="rotate(-35 {left + middle:.0f} {top - 8})"' if size < 60 else ""
        anchor = "" if size < 60 else " middle"
        cells.append(f'<text class="tick{anchor}" x="{left + middle:.0f}" y="{top - 8}" {turned}>{short}</text>')
    side = size * len(names)
    cells.append(f'<text class="label middle" x="{left + side / 2:.0f}" y="16">Predicted</text>')
    cells.append(
        f'<text class="label middle" x="14" y="{top + side / 2:.0f}" '
        f'transform="rotate(-90 14 {top + side / 2:.0f})">True</text>'
    )
    return _svg(title, sentence, left + side + 40, top + side + 8, "".join(cells))


def spark(sentence: str, counts: Floats) -> str:
    """Draw a sparkline histogram for a table cell."""
    top = max(counts, default=0) or 1
    step = 120 / max(len(counts), 1)
    rects = "".join(
        f'<rect class="bar s0" x="{step * i:.1f}" y="{28 - 28 * count / top:.1f}" width="{max(step - 1, 0.5):.1f}" '
        f'height="{28 * count / top:.1f}"/>'
        for i, count in enumerate(counts)
    )
    return f'<svg class="spark" viewBox="0 0 120 28" role="img" aria-label="{escape(sentence)}">{rects}</svg>'


def corner(frame: "_Frame", end: int) -> tuple[float, float]:
    """Return the lower left (0) or upper right (1) end of the part of the diagonal x = y inside the frame."""
    if end == 0:
        low = max(frame.x_range[0], frame.y_range[0])
        return low, low
    high = min(frame.x_range[1], frame.y_range[1])
    return high, high


class _Frame:
    """Converts data coordinates to image coordinates."""

    def __init__(self, axes: Axes, x: Floats, y: Floats):
        self.axes = axes
        self.x_range = axes.x_range or span(x)
        self.y_range = axes.y_range or span(y)

    def x(self, value: float) -> float:
        return LEFT + _share(value, self.x_range) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - _share(value, self.y_range) * (HEIGHT - TOP - BOTTOM)

    def grid(self) -> str:
        parts = []
        for value, text in ticks(*self.y_range):
            y = self.y(value)
            parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(f'<text class="tick end" x="{LEFT - 8}" y="{y + 4:.1f}">{text}</text>')
        for value, text in ticks(*self.x_range):
            x = self.x(value)
            parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
            parts.append(f'<text class="tick middle" x="{x:.1f}" y="{HEIGHT - BOTTOM + 17}">{text}</text>')
        middle_x, middle_y = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
        parts.append(f'<text class="label middle" x="{middle_x:.0f}" y="{HEIGHT - 8}">{escape(self.axes.x)}</text>')
        parts.append(
            f'<text class="label middle" x="13" y="{middle_y:.0f}" transform="rotate(-90 13 {middle_y:.0f})">'
            f"{escape(self.axes.y)}</text>"
        )
        return "".join(parts)

    def segment(self, start: tuple[float, float], end: tuple[float, float], kind: str) -> str:
        return (
            f'<line class="{kind}" x1="{self.x(start[0]):.1f}" y1="{self.y(start[1]):.1f}" '
            f'x2="{self.x(end[0]):.1f}" y2="{self.y(end[1]):.1f}"/>'
        )

    def bar(self, start: float, end: float, count: float) -> str:
        x, y = self.x(start), self.y(count)
        width = max(self.x(end) - x - 1, 0.5)
        return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{max(HEIGHT - BOTTOM - y, 0):.1f}"/>'

    def draw(self, line: Line, number: int) -> str:
        points = [(self.x(x), self.y(y)) for x, y in _downsample(line.x, line.y) if isfinite(x) and isfinite(y)]
        style = f"s{(number if line.number is None else line.number) % 8}"
        if line.style == "dots":
            radius = 3.5 if len(points) < 60 else 2
            dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>' for x, y in points)
            return f'<g class="dot {style}">{dots}</g>'
        path = _steps(points) if line.style == "steps" else points
        return f'<polyline class="line {style}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in path)}"/>'


def ticks(low: float, high: float, count: int = 5) -> list[tuple[float, str]]:
    """Return about `count` round values from low to high, and their labels."""
    raw = (high - low) / count
    if not raw > 0 or not isfinite(raw):
        return [(low, f"{low:.4g}")]
    unit = 10.0 ** floor(log10(raw))
    step = next(factor * unit for factor in (1, 2, 2.5, 5, 10) if factor * unit >= raw * 0.999)
    first = ceil(low / step - 1e-9)
    last = floor(high / step + 1e-9)
    return [(i * step, amount(i * step)) for i in range(first, last + 1)]


def amount(value: float) -> str:
    """Format a number in few characters: 0.25, 12,500, 1.5M."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e5, "k")):
        if limit <= abs(value) < 1e12:
            divisor = 1e3 if unit == "k" else limit
            return f"{value / divisor:.3g}{unit}" if unit != "k" else f"{value / divisor:.4g}{unit}"
    if abs(value) >= 1000 and abs(value) < 1e12:
        return f"{value:,.0f}"
    return f"{round(value, 10):.4g}"


def _legend(names: Sequence[str]) -> str:
    column = (WIDTH - LEFT) / 3
    parts = []
    for i, name in enumerate(names):
        x, y = LEFT + column * (i % 3), HEIGHT + 10 + 20 * (i // 3)
        parts.append(
            f'<rect class="key s{i % 8}" x="{x:.0f}" y="{y - 9}" width="14" height="8" rx="2"/>'
            f'<text class="tick" x="{x + 20:.0f}" y="{y}">{escape(_short(name, 18))}</text>'
        )
    return "".join(parts)


def _svg(title: str, sentence: str, width: float, height: float, body: str) -> str:
    return (
        f'<svg class="plot" viewBox="0 0 {width:.0f} {height:.0f}" style="max-width:{width:.0f}px" role="img" '
        f'aria-label="{escape(title)}. {escape(sentence)}">{body}</svg>'
    )


def span(values: Floats) -> tuple[float, float]:
    """Return the range of the values with a margin."""
    finite = [value for value in values if isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if low == high:
        return low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
    margin = (high - low) * 0.03
    return low - margin, high + margin


def _share(value: float, ends: tuple[float, float]) -> float:
    return min(max((value - ends[0]) / ((ends[1] - ends[0]) or 1), 0.0), 1.0)


def _downsample(x: Floats, y: Floats) -> list[tuple[float, float]]:
    """Return the points, of many evenly spaced ones including the last."""
    pairs = list(zip(x, y, strict=True))
    if len(pairs) <= POINTS:
        return pairs
    step = (len(pairs) - 1) / (POINTS - 1)
    return [pairs[round(i * step)] for i in range(POINTS)]


def _steps(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the corners of a step line through the points."""
    found = list(points[:1])
    for x, y in points[1:]:
        found += [(x, found[-1][1]), (x, y)]
    return found


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
