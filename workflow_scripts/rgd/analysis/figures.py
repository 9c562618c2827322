"""Figures of an experiment: grouped bars of accuracy and a map of queries with cluster centroids.

Both are written as SVG and PNG. The same input gives the same SVG bytes: its ids are salted with a fixed string and no
date is stored.
"""

import os
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rgd.analysis.order import FAMILIES, LEARNED, REAL, SCENARIO_INDEPENDENT, ordered, row_label
from rgd.artifacts.files import replacing
from rgd.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which readers with any colour vision can tell apart; its yellow, too pale for small marks, is
# replaced by olive. Hatches and markers repeat the distinction.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999933", "#777777")
HATCHES = ("", "///", "...", "\\\\\\", "xxx", "---", "ooo", "+++")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
LINE_STYLES = ("-", "--", ":", "-.")

DOTS_PER_INCH = 150
WIDEST = 16
"""Width of a figure in inches."""
PANELS_IN_A_ROW = 4
# From this many points on, a map's dots are rasterised; otherwise the SVG would be too large to open.
MOST_DRAWN = 2000


@dataclass(frozen=True)
class QueryMap:
    """One panel of :func:`pca_of_queries`.

    Attributes:
        title: above the panel.
        embeddings: (n, d), the queries' embeddings.
        tasks: (n,) the task of each query.
        centroids: (k, d), the clusters' centroids; k may be 0.
        centroid_tasks: (k,) the task of each cluster; None if clusters are not formed task by task.
    """

    title: str
    embeddings: np.ndarray
    tasks: np.ndarray
    centroids: np.ndarray
    centroid_tasks: np.ndarray | None = None


def grouped_bars(
    accuracy: pd.DataFrame,
    svg: str | os.PathLike[str],
    references: Mapping[str, tuple[str, str]],
    titles: Mapping[str, str] | None = None,
    scenarios: Sequence[str] | None = None,
) -> list[Path]:
    """Accuracy by scenario and router, after Figure 3 of arXiv 2601.09692: a panel per pool, a group per scenario.

    The bars are the routers that depend on the scenario. With several datasets a bar is the mean over those of its pool, and it
    is left out unless each of them has it; :func:`comparable` selects the datasets and scenarios. Whiskers are the cells'
    intervals; for a mean, half-widths add in quadrature because the datasets are independent. The axis starts above zero
    if no value is lower.

    Args:
        accuracy: from :func:`rgd.analysis.tables.accuracy_table`, in the order to show.
        svg: where to write; the PNG is written beside it.
        references: legend text -> (router, variant) of the horizontal lines; lines without a cell are left out. An
            empty variant means the best of that router's variants.
        titles: names to show instead of the keys of scenarios, pools and routers.
        scenarios: the scenarios that may be shown; by default all.

    Returns:
        The paths of the SVG and the PNG.

    Raises:
        UserError: no router in ``accuracy`` depends on the scenario, or a file cannot be written.
    """
    titles = titles or {}
    accuracy = comparable(accuracy, scenarios)
    mean = over_datasets(accuracy)
    bars = mean[mean["family"].isin(LEARNED)]
    if bars.empty:
        raise UserError(
            "there is nothing to draw: the experiment has no cell of a router that learns from queries. Add such a router."
        )
    pools = list(dict.fromkeys(bars["pool"]))
    shown = list(dict.fromkeys(bars["scenario"]))
    keys = bars[["family", "router", "variant"]].drop_duplicates()
    series = [key for family in FAMILIES for key in keys[keys["family"] == family].itertuples(index=False, name=None)]
    with style() as pyplot:
        # Panels stand side by side as long as the bars stay wide enough to tell apart.
        wanted = max(3.5, 0.17 * len(series) * len(shown) + 0.8)
        beside = wanted * len(pools) <= WIDEST
        width = min(wanted, WIDEST)
        rows, columns = (1, len(pools)) if beside else (len(pools), 1)
        figure, axes = pyplot.subplots(
            rows,
            columns,
            figsize=(width * columns, 1.2 + 3.4 * rows),
            sharex=not beside,
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        # At this font size about 14 letters fill an inch.
        names = [textwrap.fill(titles.get(key, key), int(14 * width / len(shown)) - 2) for key in shown]
        datasets = sorted(set(datasets_of_pools(accuracy)))
        of = f"{datasets[0]}" if len(datasets) == 1 else "the pool's"
        handles: dict[str, Any] = {}
        for axis, pool in zip(axes.flat, pools, strict=True):
            handles |= _bars(axis, bars[bars["pool"] == pool], shown, series, titles)
            axis.set_xticks(range(len(shown)), names)
            axis.tick_params(axis="x", length=0)
            axis.set_xlim(-0.5, len(shown) - 0.5)
            handles |= _lines(axis, mean[mean["pool"] == pool], references)
            axis.set_title(titles.get(pool, pool))
        for axis in axes[:, 0]:
            axis.set_ylabel("test accuracy (%)" + (f", mean of {of} datasets" if datasets[-1] > 1 else ""))
        _zoom(axes[0, 0], mean, bars, references)
        legend(figure, handles)
        return save(figure, svg)


def comparable(accuracy: pd.DataFrame, scenarios: Sequence[str] | None = None) -> pd.DataFrame:
    """The rows of scenarios and datasets whose means over datasets can be compared.

    First, datasets that have only real queries are left out if others have generated ones. Then every scenario that some
    dataset lacks is left out. All bars are then means over the same datasets.

    Args:
        accuracy: from :func:`rgd.analysis.tables.accuracy_table`.
        scenarios: the scenarios that may be shown; by default all.
    """
    if scenarios is not None:
        accuracy = accuracy[accuracy["scenario"].isin([REAL, *scenarios])]
    learned = accuracy[accuracy["family"].isin(LEARNED)]
    has = {dataset: set(part["scenario"]) for dataset, part in learned.groupby("dataset", sort=False)}
    most = max(map(len, has.values()), default=0)
    kept = {dataset: names for dataset, names in has.items() if most == 1 or names != {REAL}}
    common = set.intersection(*kept.values()) if kept else set()
    # Rows that do not depend on the scenario are listed under the real one, whether it is shown or not.
    independent = accuracy["family"].isin(SCENARIO_INDEPENDENT)
    return accuracy[accuracy["dataset"].isin(kept) & (accuracy["scenario"].isin(common) | independent)]


def datasets_of_pools(accuracy: pd.DataFrame) -> "pd.Series[int]":
    """How many datasets each pool has; pools of recorded answers are often of one dataset alone."""
    return accuracy.groupby("pool", sort=False)["dataset"].nunique()


def over_datasets(accuracy: pd.DataFrame) -> pd.DataFrame:
    """Mean over a pool's datasets with its interval, in per cent; rows that one of these datasets lacks are dropped."""
    keys = ["scenario", "pool", "family", "router", "variant"]
    frame = accuracy[[*keys, "dataset", "accuracy", "ci_low", "ci_high"]].copy()
    frame["below"] = (frame["accuracy"] - frame["ci_low"]) ** 2
    frame["above"] = (frame["ci_high"] - frame["accuracy"]) ** 2
    mean = frame.groupby(keys, sort=False, as_index=False).agg(
        datasets=("dataset", "nunique"), accuracy=("accuracy", "mean"), below=("below", "sum"), above=("above", "sum")
    )
    mean = mean[mean["datasets"] == mean["pool"].map(datasets_of_pools(accuracy))].copy()
    for side in ("below", "above"):
        mean[side] = 100 * np.sqrt(mean[side]) / mean["datasets"]
    mean["accuracy"] *= 100
    return mean


def _bars(
    axis: Any,
    bars: pd.DataFrame,
    scenarios: Sequence[str],
    series: Sequence[tuple[str, str, str]],
    titles: Mapping[str, str],
) -> dict[str, Any]:
    """Draw the bars of one pool and return the legend's entries.

    Colour and hatch denote the router, lightness its variant.
    """
    from matplotlib.colors import to_rgb

    handles = {}
    routers = list(dict.fromkeys(router for _, router, _ in series))
    variants = {name: [variant for _, router, variant in series if router == name] for name in routers}
    step = 0.86 / len(series)
    for number, (_, router, variant) in enumerate(series):
        place = routers.index(router)
        paleness = 0.55 * variants[router].index(variant) / max(len(variants[router]) - 1, 1)
        part = (
            bars[(bars["router"] == router) & (bars["variant"] == variant)]
            .set_index("scenario")
            .reindex(list(scenarios))
        )
        handles[row_label(titles.get(router, router), variant)] = axis.bar(
            np.arange(len(scenarios)) + (number - (len(series) - 1) / 2) * step,
            part["accuracy"],
            0.92 * step,
            yerr=[part["below"], part["above"]],
            color=[(1 - paleness) * part + paleness for part in to_rgb(COLOURS[place % len(COLOURS)])],
            # Shift by one for each round through the colours, so that no pair of colour and hatch occurs twice.
            hatch=HATCHES[(place + place // len(COLOURS)) % len(HATCHES)],
            edgecolor="white",
            linewidth=0.4,
            error_kw={"elinewidth": 0.8, "capsize": 1.5, "ecolor": "#333333"},
        )
    return handles


def _lines(axis: Any, mean: pd.DataFrame, references: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    handles = {}
    for number, (label, reference) in enumerate(references.items()):
        value = _reference(mean, reference)
        if value is not None:
            style = LINE_STYLES[number % len(LINE_STYLES)]
            handles[label] = axis.axhline(value, color="black", linestyle=style, linewidth=1, zorder=3)
    return handles


def _reference(mean: pd.DataFrame, reference: tuple[str, str]) -> float | None:
    router, variant = reference
    part = mean[(mean["router"] == router) & ((mean["variant"] == variant) | (not variant))]
    return None if part.empty else float(part["accuracy"].max())


def _zoom(axis: Any, mean: pd.DataFrame, bars: pd.DataFrame, references: Mapping[str, tuple[str, str]]) -> None:
    """Start the axis at the highest multiple of ten that leaves room below everything, so that differences show."""
    pools = [mean[mean["pool"] == pool] for pool in dict.fromkeys(bars["pool"])]
    lines = [_reference(part, reference) for part in pools for reference in references.values()]
    values = [*(bars["accuracy"] - bars["below"]), *(bars["accuracy"] + bars["above"]), *filter(None, lines)]
    lowest, highest = min(values), max(values)
    axis.set_ylim(max(0, 10 * np.floor((lowest - 5) / 10)), min(100, 5 * np.ceil((highest + 2) / 5)))


def pca_of_queries(
    panels: Sequence[QueryMap], svg: str | os.PathLike[str], titles: Mapping[str, str] | None = None
) -> list[Path]:
    """Queries and cluster centroids in the plane of two principal components, after Figure 4 of arXiv 2601.09692.

    All panels share the plane of the first panel's queries, so that generated queries can be compared with real ones.

    Args:
        panels: one or more panels, shown side by side.
        svg: where to write; the PNG is written beside it.
        titles: names to show instead of the keys of tasks.

    Returns:
        The paths of the SVG and the PNG.

    Raises:
        UserError: the first panel has fewer than 3 queries, or a file cannot be written.
    """
    from matplotlib.lines import Line2D

    titles = titles or {}
    centre, plane, explained = principal_plane(panels[0].embeddings)
    tasks = ordered(np.concatenate([panel.tasks for panel in panels]), [])
    with style() as pyplot:
        columns = min(len(panels), PANELS_IN_A_ROW)
        rows = -(-len(panels) // columns)
        figure, axes = pyplot.subplots(
            rows,
            columns,
            figsize=(4.4 * columns + 0.4, 4.4 * rows + 0.5),
            sharex=True,
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        for axis in axes.flat[len(panels) :]:
            axis.set_visible(False)
        many = sum(len(panel.embeddings) for panel in panels) > MOST_DRAWN
        handles: dict[str, Any] = {}
        for axis, panel in zip(axes.flat, panels, strict=False):
            points = (panel.embeddings - centre) @ plane.T
            for number, task in enumerate(tasks):
                chosen = points[panel.tasks == task]
                handles[titles.get(task, task)] = axis.scatter(
                    *chosen.T,
                    s=18,
                    color=COLOURS[number % len(COLOURS)],
                    marker=MARKERS[number % len(MARKERS)],
                    alpha=0.55,
                    linewidths=0,
                    rasterized=many,
                )
            if len(panel.centroids):
                fills = ["white"] * len(panel.centroids)
                if panel.centroid_tasks is not None:
                    fills = [COLOURS[tasks.index(task) % len(COLOURS)] for task in panel.centroid_tasks]
                axis.scatter(
                    *((panel.centroids - centre) @ plane.T).T,
                    s=90,
                    c=fills,
                    edgecolor="black",
                    linewidths=1.4,
                    zorder=3,
                )
                handles["cluster centroid"] = Line2D(
                    [], [], linestyle="", marker="o", markersize=8, color="white", markeredgecolor="black"
                )
            axis.set_title(panel.title)
            # In a grid only the lowest panel of each column has tick labels, and the last row may be incomplete.
            axis.tick_params(axis="x", labelbottom=True)
            axis.set_xlabel(f"first component ({100 * explained[0]:.0f} % of variance)")
            axis.grid(visible=False)
        for axis in axes[:, 0]:
            axis.set_ylabel(f"second component ({100 * explained[1]:.0f} %)")
        legend(figure, handles)
        return save(figure, svg)


def legend(figure: "Figure", handles: Mapping[str, Any]) -> None:
    """One legend below the panels, in as many columns as fit into the figure's width."""
    # An eight-point letter takes about 0.065 inches, a handle with the gap between columns 0.6.
    column = 0.065 * max(map(len, handles)) + 0.6
    columns = max(1, min(len(handles), int(figure.get_figwidth() / column)))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=columns, frameon=False)


def principal_plane(embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centre (d,), the first two principal directions (2, d) and their shares of the variance (2,).

    The sign of a direction is arbitrary; the entry with the largest absolute value is made positive.

    Raises:
        UserError: fewer than 3 rows.
    """
    from sklearn.decomposition import PCA

    if len(embeddings) < 3:
        raise UserError(
            f"a map needs at least 3 queries, but there are {len(embeddings)}. Generate more queries, or drop the figure."
        )
    fit = PCA(n_components=2, random_state=0).fit(np.asarray(embeddings, dtype=np.float64))
    signs = np.sign(fit.components_[[0, 1], np.abs(fit.components_).argmax(axis=1)])
    return fit.mean_, fit.components_ * signs[:, None], fit.explained_variance_ratio_


@contextmanager
def style() -> Iterator[Any]:
    """pyplot with the file-only backend and this project's style; closes its figures afterwards."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    settings: Any = {
        "svg.hashsalt": "rgd",
        "svg.fonttype": "path",
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "grid.color": "#dddddd",
        "grid.linewidth": 0.6,
        "hatch.linewidth": 0.6,
        "legend.fontsize": 8,
        "legend.handlelength": 2.2,
    }
    with matplotlib.rc_context(settings):
        try:
            yield pyplot
        finally:
            pyplot.close("all")


def save(figure: "Figure", svg: str | os.PathLike[str]) -> list[Path]:
    paths = [Path(svg).with_suffix(f".{kind}") for kind in ("svg", "png")]
    for path, metadata in zip(paths, ({"Date": None, "Creator": None}, {"Software": None}), strict=True):
        with replacing(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:], dpi=DOTS_PER_INCH, metadata=metadata)
    return paths
