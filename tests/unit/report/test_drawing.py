"""The page's figures: marks where the numbers say, labels beside colours, texts escaped."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rgd.report.drawing import SHAPES, Dot, Reference, Row, intervals, points, scatter, shape, ticks

HOSTILE = '"><script>alert(1)</script>'


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def numbers(path: str) -> np.ndarray:
    return np.array(re.findall(r"-?[\d.]+", path), dtype=float)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_few_round_and_within(low: float, span: float) -> None:
    found = ticks(low, low + span)
    assert len(found) <= 6
    assert all(low - 1e-6 * span <= value <= low + span * (1 + 1e-6) for value in found)
    steps = np.diff(found)
    assert np.allclose(steps, steps[:1].repeat(len(steps)))


def test_ticks_of_per_cents() -> None:
    assert ticks(29, 71) == [30, 40, 50, 60, 70]
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]


def test_dots_stand_in_the_order_of_their_values_and_say_what_they_are() -> None:
    rows = [Row("first", "group", 0), Row("second", "group", 1), Row(HOSTILE, "other", 2)]
    dots = {0: Dot(10, 5, 15, title="ten"), 1: Dot(20, 15, 30, True, "twenty"), 2: Dot(30, 30, 30, title=HOSTILE)}
    svg = parsed(intervals(rows, {"panel": dots}, [Reference(20, "line")], HOSTILE, " %"))
    marks = svg.findall(".//g[@class]")
    titles = [mark.find("title").text for mark in marks]
    assert titles == ["ten", "twenty", HOSTILE]
    whiskers = [float(mark.find("line").get("x1")) for mark in marks]
    ends = [float(mark.find("line").get("x2")) for mark in marks]
    assert whiskers[0] < whiskers[1] == ends[0] < whiskers[2] == ends[1] == ends[2]
    assert [mark.find("path").get("class") for mark in marks] == ["full", "hollow", "full"]
    # A row and its own shape: readable without colour.
    assert len({mark.find("path").get("d") for mark in marks}) == 3
    said = ["".join(text.itertext()) for text in svg.iter("text")]
    assert {"groupgroup", "otherother", "panel", "line"} <= set(said)
    assert svg.find("title").text == HOSTILE


def test_points_are_numbered_and_labels_do_not_cover_each_other() -> None:
    items = [(str(place), HOSTILE, 100.0 + place // 4, 50.0 + 0.1 * place, place % 3) for place in range(8)]
    svg = parsed(points(items, [0, 7], "title", ("cost", "accuracy")))
    labels = [text for text in svg.iter("text") if text.get("class") == "number"]
    assert [label.text for label in labels] == [str(place) for place in range(8)]
    places = np.array([[float(label.get("x")), float(label.get("y"))] for label in labels])
    gaps = np.abs(places[:, None] - places[None])
    covered = (gaps[..., 0] < 6) & (gaps[..., 1] < 6) & ~np.eye(8, dtype=bool)
    assert not covered.any()
    assert [element.get("class") for element in svg.iter("path")].count("frontier") == 1


def test_a_single_point_and_equal_values_are_drawn() -> None:
    svg = parsed(points([("1", "x", 3.0, 0.0, 0)], [0], "title", ("cost", "accuracy")))
    assert np.isfinite(numbers(svg.find(".//g/path").get("d"))).all()


def test_maps_keep_to_their_frame() -> None:
    random = np.random.default_rng(0)
    xy = random.normal(size=(30, 2))
    limits = (float(xy[:, 0].min()), float(xy[:, 0].max()), float(xy[:, 1].min()), float(xy[:, 1].max()))
    svg = parsed(scatter(xy, [place % 3 for place in range(30)], [HOSTILE] * 30, xy[:2], [0, -1], limits, "map"))
    circles = [(float(c.get("cx")), float(c.get("cy"))) for c in svg.iter("circle")]
    assert len(circles) == 2
    starts = np.array([numbers(path.get("d"))[:2] for path in svg.iter("path")])
    assert (starts > 0).all()
    assert (starts < 300).all()
    assert [title.text for title in svg.iter("title")].count(HOSTILE) == 30


@pytest.mark.parametrize("kind", range(SHAPES))
def test_every_shape_is_another_one_around_its_point(kind: int) -> None:
    path = shape(kind, 100, 50, 5)
    assert path.startswith("M")
    assert path.endswith("z")
    assert path not in {shape(other, 100, 50, 5) for other in range(SHAPES) if other != kind}
    if kind:
        corners = numbers(path).reshape(-1, 2)
        assert np.abs(corners - [100, 50]).max() <= 6.5
