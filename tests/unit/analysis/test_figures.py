import numpy as np
import pandas as pd
import pytest

from rgd.analysis.figures import QueryMap, grouped_bars, pca_of_queries, principal_plane
from rgd.analysis.trade_offs import cost_points
from rgd.errors import UserError

REFERENCES = {"oracle": ("oracle", "all"), "best member": ("single", ""), "random member": ("random", "one")}
TITLES = {"real": "real queries", "cascal": "CASCAL"}


def accuracy(datasets: tuple[str, ...] = ("quiz",)) -> pd.DataFrame:
    rows = [
        (dataset, scenario, pool, family, router, variant, value)
        for dataset in datasets
        for pool in ("small", "large")
        for scenario, family, router, variant, value in [
            ("real", "query-only", "cascal", "top1", 0.5),
            ("real", "query-only", "cascal", "top3", 0.55),
            ("strong", "query-only", "cascal", "top1", 0.45),
            ("real", "query-answer", "knn", "top1", 0.6),
            ("real", "learning-free", "single", "one", 0.4),
            ("real", "learning-free", "single", "two", 0.48),
            ("real", "reference", "oracle", "all", 0.8),
        ]
    ]
    frame = pd.DataFrame(rows, columns=["dataset", "scenario", "pool", "family", "router", "variant", "accuracy"])
    return frame.assign(ci_low=frame["accuracy"] - 0.05, ci_high=frame["accuracy"] + 0.05)


def query_map(n: int = 40, seed: int = 0) -> QueryMap:
    rng = np.random.default_rng(seed)
    embeddings = rng.normal(size=(n, 8)).astype(np.float32)
    return QueryMap(
        "queries", embeddings, np.array(["sums", "towns"] * (n // 2)), embeddings[:3], np.array(["sums"] * 3)
    )


def drawn(monkeypatch, draw) -> list:
    """The figures that ``draw`` saves, kept for a look at what is on them."""
    from matplotlib.figure import Figure

    figures = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *args, **kwargs: (figures.append(self), save(self, *args, **kwargs))
    )
    draw()
    return figures


def test_the_same_input_gives_the_same_svg(tmp_path):
    one = [path.read_bytes() for path in grouped_bars(accuracy(), tmp_path / "one.svg", REFERENCES, titles=TITLES)]
    two = [path.read_bytes() for path in grouped_bars(accuracy(), tmp_path / "two.svg", REFERENCES, titles=TITLES)]
    assert one == two
    assert one[0].startswith(b"<?xml")
    assert b"<dc:date>" not in one[0]
    assert one[1].startswith(b"\x89PNG")


def test_bars_show_the_accuracies_and_lines_the_references(tmp_path, monkeypatch):
    figure = drawn(monkeypatch, lambda: grouped_bars(accuracy(), tmp_path / "bars.svg", REFERENCES, titles=TITLES))[0]
    assert [axis.get_title() for axis in figure.axes] == ["small", "large"]
    axis = figure.axes[0]
    heights = sorted(bar.get_height() for bars in axis.containers for bar in getattr(bars, "patches", []))
    assert [height for height in heights if not np.isnan(height)] == pytest.approx([45, 50, 55, 60])
    levels = {round(float(line.get_ydata()[0]), 6) for line in axis.lines if len(set(line.get_ydata())) == 1}
    assert {80.0, 48.0} <= levels
    assert [label.get_text() for label in axis.get_xticklabels()] == ["real queries", "strong"]
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["CASCAL top1", "CASCAL top3", "knn top1", "oracle", "best member"]


def test_bars_are_means_over_the_datasets_that_all_have_the_cell(tmp_path, monkeypatch):
    frame = accuracy(("quiz", "exam"))
    frame.loc[(frame["dataset"] == "exam") & (frame["router"] == "knn"), "accuracy"] += 0.1
    frame = frame[(frame["dataset"] == "quiz") | (frame["variant"] != "top3")]
    axis = drawn(monkeypatch, lambda: grouped_bars(frame, tmp_path / "bars.svg", REFERENCES))[0].axes[0]
    heights = [bar.get_height() for bars in axis.containers for bar in getattr(bars, "patches", [])]
    assert sorted(height for height in heights if not np.isnan(height)) == pytest.approx([45, 50, 65])


def test_pools_of_different_datasets_have_a_panel_each(tmp_path, monkeypatch):
    frame = pd.concat([accuracy(("quiz",)).query("pool == 'small'"), accuracy(("exam",)).query("pool == 'large'")])
    (figure, *_) = drawn(monkeypatch, lambda: grouped_bars(frame, tmp_path / "one.svg", REFERENCES))
    assert [axis.get_title() for axis in figure.axes] == ["small", "large"]
    assert all(any(bar.get_height() > 40 for bar in axis.patches) for axis in figure.axes)
    points = cost_points(
        frame.assign(calls_per_query=1.0, prompt_tokens_per_query=np.nan, completion_tokens_per_query=np.nan)
    )
    assert set(points["pool"]) == {"small", "large"}


def test_nothing_to_draw_is_an_error(tmp_path):
    with pytest.raises(UserError, match=r"\brouter\b"):
        grouped_bars(accuracy().query("family == 'reference'"), tmp_path / "bars.svg", REFERENCES)


def test_the_plane_is_that_of_the_singular_value_decomposition():
    data = np.random.default_rng(1).normal(size=(50, 6)) * [5, 3, 1, 1, 1, 1]
    centre, plane, explained = principal_plane(data)
    _, singular, directions = np.linalg.svd(data - data.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(centre, data.mean(axis=0))
    np.testing.assert_allclose(np.abs(plane @ directions[:2].T), np.eye(2), atol=1e-8)
    np.testing.assert_allclose(explained, singular[:2] ** 2 / (singular**2).sum())
    assert (plane[[0, 1], np.abs(plane).argmax(axis=1)] > 0).all()


def test_turning_the_data_round_does_not_turn_the_axes_round():
    data = np.random.default_rng(2).normal(size=(30, 5))
    np.testing.assert_allclose(principal_plane(data)[1], principal_plane(-data)[1])


def test_the_map_shows_every_query_and_centroid_in_one_plane(tmp_path, monkeypatch):
    panels = [query_map(), query_map(20, seed=1)]
    figure = drawn(monkeypatch, lambda: pca_of_queries(panels, tmp_path / "map.svg", {"sums": "Sums"}))[0]
    centre, plane, _ = principal_plane(panels[0].embeddings)
    for axis, panel in zip(figure.axes, panels, strict=True):
        points = np.concatenate([np.asarray(shown.get_offsets()) for shown in axis.collections[:-1]])
        expected = (panel.embeddings - centre) @ plane.T
        np.testing.assert_allclose(np.sort(points, axis=0), np.sort(expected, axis=0), atol=1e-5)
        assert len(axis.collections[-1].get_offsets()) == 3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Sums", "towns", "cluster centroid"]


def test_the_same_map_gives_the_same_svg(tmp_path):
    one = pca_of_queries([query_map()], tmp_path / "one.svg")[0].read_bytes()
    assert one == pca_of_queries([query_map()], tmp_path / "two.svg")[0].read_bytes()


def test_too_few_queries_are_an_error(tmp_path):
    with pytest.raises(UserError, match=r"\b3\b.*\b2\b"):
        pca_of_queries([query_map(2)], tmp_path / "map.svg")
