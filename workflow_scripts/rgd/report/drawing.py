"""Figures of the page as SVG: dots with intervals, points by cost, maps of queries.

Every mark has a shape or a label that says what its colour says; colours are the page's own, so that they follow its
light and dark.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rgd.report.html import Markup, tag

ROW, HEADING, LABELS, GAP, TOP, BOTTOM = 18, 22, 236, 20, 46, 26
# The width of the page, which panels share, each as wide as is readable at least and at most.
PAGE, NARROWEST, WIDEST = 1160, 190, 300
MAP, MARGIN = 300, 10
# As many as there are shapes; the page's style gives the colours c0, c1, …
SHAPES = 8
COLOURS = 8


@dataclass(frozen=True)
class Row:
    """A row of :func:`intervals`: its label, its group (a heading above its first row) and the shape of its dots."""

    label: str
    group: str
    shape: int


@dataclass(frozen=True)
class Dot:
    """An estimate with its interval, in the axis' unit; ``hollow`` where it is not told from zero, ``title`` its words."""

    value: float
    low: float
    high: float
    hollow: bool = False
    title: str = ""


@dataclass(frozen=True)
class Reference:
    """A line across a panel."""

    value: float
    label: str


def intervals(
    rows: Sequence[Row],
    panels: Mapping[str, Mapping[int, Dot]],
    references: Sequence[Reference],
    title: str,
    unit: str,
) -> Markup:
    """Dots with intervals, a panel beside another for each scenario, a row for each router.

    Args:
        rows: from the top.
        panels: title of a panel -> place of a row -> its dot.
        references: lines through every panel.
        title: what the figure shows, for readers that do not see it.
        unit: of the axis.
    """
    places, headings, height = _rows(rows)
    limits = _range(panels, references)
    panel = min(max((PAGE - LABELS) // max(len(panels), 1) - GAP, NARROWEST), WIDEST)
    width = LABELS + len(panels) * (panel + GAP)
    parts: list[Markup] = [
        *(_label(8, y, group, "heading") for group, y in headings),
        *(_label(16, places[number], row.label, "row") for number, row in enumerate(rows)),
    ]
    for column, (name, dots) in enumerate(panels.items()):
        span = (LABELS + column * (panel + GAP), panel)
        parts.append(_panel(name, dots, rows, places, references, limits, span, height, unit if column == 0 else ""))
    return _figure(width, TOP + height + BOTTOM, title, parts)


def _rows(rows: Sequence[Row]) -> tuple[list[float], list[tuple[str, float]], float]:
    places, headings, y, group = [], [], 0.0, None
    for row in rows:
        if row.group != group:
            group = row.group
            headings.append((group, TOP + y + HEADING / 2 + 3))
            y += HEADING
        places.append(TOP + y + ROW / 2)
        y += ROW
    return places, headings, y


def _range(panels: Mapping[str, Mapping[int, Dot]], references: Sequence[Reference]) -> tuple[float, float]:
    dots = [dot for panel in panels.values() for dot in panel.values()]
    values = [*(dot.low for dot in dots), *(dot.high for dot in dots), *(line.value for line in references)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = 0.04 * max(high - low, 1e-9)
    return low - room, high + room


def _panel(
    name: str,
    dots: Mapping[int, Dot],
    rows: Sequence[Row],
    places: Sequence[float],
    references: Sequence[Reference],
    limits: tuple[float, float],
    span: tuple[float, float],
    height: float,
    unit: str,
) -> Markup:
    (low, high), (left, panel) = limits, span

    def x(value: float) -> float:
        return round(left + panel * (value - low) / (high - low), 1)

    parts = [tag("text", _shortened(name, 34), x=left, y=13, class_="panel")]
    for value in ticks(low, high):
        parts.append(tag("line", x1=x(value), x2=x(value), y1=TOP, y2=TOP + height, class_="grid"))
        parts.append(tag("text", _number(value) + unit, x=x(value), y=TOP + height + 15, class_="tick"))
    for number, line in enumerate(references):
        parts.append(
            tag(
                "line",
                x1=x(line.value),
                x2=x(line.value),
                y1=TOP - 4,
                y2=TOP + height,
                class_=f"reference r{number % 4}",
            )
        )
        parts.append(tag("text", line.label, x=x(line.value), y=TOP - 8 - 9 * (number % 2), class_="tick mark"))
    for place, dot in dots.items():
        y = places[place]
        style = f"c{rows[place].shape % COLOURS}"
        parts.append(
            tag(
                "g",
                tag("title", dot.title),
                tag("line", x1=x(dot.low), x2=x(dot.high), y1=y, y2=y, class_="whisker"),
                tag(
                    "path", d=shape(rows[place].shape, x(dot.value), y, 4.6), class_="hollow" if dot.hollow else "full"
                ),
                class_=f"dot {style}",
            )
        )
    return tag("g", *parts)


def points(
    items: Sequence[tuple[str, str, float, float, int]],
    line: Sequence[int],
    title: str,
    axes: tuple[str, str],
) -> Markup:
    """Labelled points: accuracy (up) against cost (to the right).

    Args:
        items: of each point its label, its words, cost, accuracy and shape.
        line: the places of the points that no other beats in both, joined by a line.
        title: what the figure shows.
        axes: names of both axes.
    """
    width, height, left, top = 370, 280, 34, 20
    inner_width, inner_height = width - left - 10, height - top - 38
    cost, accuracy = [item[2] for item in items], [item[3] for item in items]
    (low_x, high_x), (low_y, high_y) = _spread(cost), _spread(accuracy)
    at = [
        (
            round(left + inner_width * (x - low_x) / (high_x - low_x), 1),
            round(top + inner_height * (1 - (y - low_y) / (high_y - low_y)), 1),
        )
        for x, y in zip(cost, accuracy, strict=True)
    ]
    parts = []
    for value in ticks(low_y, high_y):
        y = round(top + inner_height * (1 - (value - low_y) / (high_y - low_y)), 1)
        parts.append(tag("line", x1=left, x2=width - 10, y1=y, y2=y, class_="grid"))
        parts.append(tag("text", _number(value), x=left - 6, y=y + 3, class_="tick end"))
    for value in ticks(low_x, high_x):
        x = round(left + inner_width * (value - low_x) / (high_x - low_x), 1)
        parts.append(tag("line", x1=x, x2=x, y1=top, y2=top + inner_height, class_="grid"))
        parts.append(tag("text", _number(value), x=x, y=top + inner_height + 15, class_="tick"))
    parts.append(tag("text", axes[0], x=left + inner_width / 2, y=height - 6, class_="axis"))
    parts.append(tag("text", axes[1], x=2, y=10, class_="axis start"))
    if len(line) > 1:
        way = " L".join(f"{at[place][0]} {at[place][1]}" for place in line)
        parts.append(tag("path", d=f"M{way}", class_="frontier"))
    for (label, words, _, _, kind), (x, y), (label_x, label_y) in zip(items, at, _label_places(at), strict=True):
        parts.append(
            tag(
                "g",
                tag("title", f"{label}: {words}"),
                tag("path", d=shape(kind, x, y, 4.6), class_="full"),
                tag("text", label, x=label_x, y=label_y, class_="number"),
                class_=f"dot c{kind % COLOURS}",
            )
        )
    return _figure(width, height, title, parts, "small")


def _label_places(at: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Where each point's label stands: at the first place around it that covers no point and no other label."""
    around = [(6, 3.5), (-17, 3.5), (-5, -7), (-5, 14), (8, -7), (8, 14), (-19, -7), (-19, 14), (20, 3.5), (-31, 3.5)]
    placed: list[tuple[float, float]] = []
    for x, y in at:
        free = [
            (x + dx, y + dy)
            for dx, dy in around
            if all(abs(x + dx - other_x) > 12 or abs(y + dy - other_y) > 8 for other_x, other_y in placed)
            and all(abs(x + dx + 5 - px) > 9 or abs(y + dy - 3.5 - py) > 7 for px, py in at if (px, py) != (x, y))
        ]
        placed.append(free[0] if free else (x + 6, y + 3.5))
    return [(round(x, 1), round(y, 1)) for x, y in placed]


def scatter(
    xy: np.ndarray,
    kinds: Sequence[int],
    words: Sequence[str],
    centroids: np.ndarray,
    centroid_kinds: Sequence[int],
    limits: tuple[float, float, float, float],
    title: str,
) -> Markup:
    """Queries in a plane, and the centroids of clusters as larger rings around their task's shape.

    Args:
        xy: (n, 2) queries.
        kinds: (n,) the task's number of each query.
        words: (n,) what is told of each query.
        centroids: (k, 2).
        centroid_kinds: (k,) the task's number of each centroid, -1 where clusters are of no task.
        limits: least and most of x and of y, shared by all maps.
        title: what the figure shows.
    """
    low_x, high_x, low_y, high_y = limits

    def place(point: np.ndarray) -> tuple[float, float]:
        x = MARGIN + (MAP - 2 * MARGIN) * (point[0] - low_x) / max(high_x - low_x, 1e-9)
        y = MAP - MARGIN - (MAP - 2 * MARGIN) * (point[1] - low_y) / max(high_y - low_y, 1e-9)
        return round(float(x), 1), round(float(y), 1)

    parts = [tag("rect", x=0.5, y=0.5, width=MAP - 1, height=MAP - 1, class_="frame")]
    for point, kind, said in zip(xy, kinds, words, strict=True):
        parts.append(
            tag("path", tag("title", said), d=shape(kind, *place(point), 3.4), class_=f"query c{kind % COLOURS}")
        )
    for point, kind in zip(centroids, centroid_kinds, strict=True):
        x, y = place(point)
        mark = tag("path", d=shape(max(kind, 0), x, y, 4), class_=f"query c{max(kind, 0) % COLOURS}")
        parts.append(tag("g", tag("circle", cx=x, cy=y, r=8, class_="centroid"), mark))
    return _figure(MAP, MAP, title, parts, "map")


def legend_mark(kind: int) -> Markup:
    """The mark of a kind, for a legend in the page's text."""
    path = tag("path", d=shape(kind, 7, 7, 5), class_="full")
    return tag(
        "svg",
        tag("g", path, class_=f"dot c{kind % COLOURS}"),
        viewBox="0 0 14 14",
        class_="legend-mark",
        aria_hidden="true",
    )


def shape(kind: int, x: float, y: float, size: float) -> str:
    """The path of a mark around (x, y): circle, square, triangle, diamond, cross, triangle down, plus, hexagon."""
    s = size
    n = kind % SHAPES
    if n == 0:
        return f"M{_n(x - s)} {_n(y)}a{_n(s)} {_n(s)} 0 1 0 {_n(2 * s)} 0a{_n(s)} {_n(s)} 0 1 0 {_n(-2 * s)} 0z"
    corners: dict[int, list[tuple[float, float]]] = {
        1: [(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)],
        2: [(0, -1.15), (1.05, 0.8), (-1.05, 0.8)],
        3: [(0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)],
        4: [(-1, -0.5), (-0.5, -1), (0, -0.5), (0.5, -1), (1, -0.5), (0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5), (-0.5, 1), (-1, 0.5), (-0.5, 0)],
        5: [(0, 1.15), (1.05, -0.8), (-1.05, -0.8)],
        6: [(-0.35, -1.1), (0.35, -1.1), (0.35, -0.35), (1.1, -0.35), (1.1, 0.35), (0.35, 0.35), (0.35, 1.1), (-0.35, 1.1), (-0.35, 0.35), (-1.1, 0.35), (-1.1, -0.35), (-0.35, -0.35)],
        7: [(-0.55, -1), (0.55, -1), (1.1, 0), (0.55, 1), (-0.55, 1), (-1.1, 0)],
    }  # fmt: skip
    return "M" + "L".join(f"{_n(x + s * dx)} {_n(y + s * dy)}" for dx, dy in corners[n]) + "z"


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from ``low`` to ``high``, at most ``most`` of them."""
    span = max(high - low, 1e-12)
    step = 10.0 ** np.floor(np.log10(span / most))
    step = next(step * factor for factor in (1, 2, 5, 10, 20) if span / (step * factor) <= most)
    first = np.ceil(low / step)
    return [float(round(step * (first + place), 10)) for place in range(int((high - first * step) / step + 1e-9) + 1)]


def _spread(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = 0.08 * (high - low) or max(abs(high) * 0.1, 1.0)
    return low - room, high + room


def _figure(width: float, height: float, title: str, parts: Sequence[Markup], kind: str = "") -> Markup:
    size = {"viewBox": f"0 0 {width:g} {height:g}", "width": f"{width:g}", "height": f"{height:g}"}
    return tag("svg", tag("title", title), *parts, role="img", class_=f"figure {kind}".strip(), **size)


def _label(x: float, y: float, words: str, kind: str) -> Markup:
    return tag("text", tag("title", words), _shortened(words, 38), x=x, y=y + 4, class_=kind)


def _shortened(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "−")


def _n(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")
