"""The page's tables: accuracy, members and tasks, what generators wrote, provenance."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rgd.analysis.comparisons import against, significant, smallest_shown
from rgd.analysis.order import FAMILIES, REAL, SCENARIO_INDEPENDENT, ordered, records, row_label
from rgd.artifacts.provenance import name_under, read_provenance
from rgd.report.html import Markup, tag

SAME = "same"


def table(
    header: Sequence[Any],
    rows: Sequence[Sequence[Any]],
    caption: str = "",
    classes: Sequence[str] = (),
    wide: bool = False,
) -> Markup:
    """A table; a row of one cell is a heading over the others.

    Args:
        header: of the columns.
        rows: cells, texts or elements; the first of each is the row's heading.
        caption: what the table shows.
        classes: of each column.
        wide: whether it may be wider than the page, and is then moved in its own frame.
    """
    kinds = [*classes, *[""] * (len(header) - len(classes))]
    body = []
    for row in rows:
        if len(row) == 1:
            body.append(tag("tr", tag("th", row[0], colspan=len(header), scope="colgroup"), class_="group"))
            continue
        cells = [tag("th", row[0], scope="row", class_=kinds[0] or None)]
        cells += [
            cell if isinstance(cell, Markup) and cell.startswith("<td") else tag("td", cell, class_=kind or None)
            for cell, kind in zip(row[1:], kinds[1:], strict=True)
        ]
        body.append(tag("tr", cells))
    head = tag(
        "tr", [tag("th", name, scope="col", class_=kind or None) for name, kind in zip(header, kinds, strict=True)]
    )
    made = tag("table", tag("caption", caption) if caption else None, tag("thead", head), tag("tbody", body))
    return tag(
        "div",
        made,
        class_="scroll wide" if wide else "scroll",
        tabindex="0",
        role="region",
        aria_label=caption or "table",
    )


def summary(frames: Mapping[str, pd.DataFrame], settings: Mapping[str, Any]) -> Markup | None:
    """The figures that say most, by pool: the bounds, the best member, the best router with and without labels."""
    if "accuracy" not in frames:
        return None
    accuracy = frames["accuracy"]
    first = accuracy[
        (accuracy["dataset"] == accuracy["dataset"].iloc[0]) & (accuracy["pool"] == accuracy["pool"].iloc[0])
    ]
    one = accuracy[["dataset", "pool"]].drop_duplicates().shape[0] == 1
    where = (
        ""
        if one
        else f"{_title(settings, 'dataset', first['dataset'].iloc[0])}, {_title(settings, 'pool', first['pool'].iloc[0])}"
    )
    generated = first[first["scenario"] != REAL]
    wanted = [
        ("Random member", first[(first["router"] == "random") & (first["variant"] == "random1")]),
        ("Best single member", first[first["router"] == "single"]),
        ("Best without labels, generated data", generated[generated["family"] == FAMILIES[0]]),
        ("Best with generated labels", generated[generated["family"] == FAMILIES[1]]),
        ("Oracle", first[first["router"] == "oracle"]),
    ]
    tiles = []
    for name, rows in wanted:
        if rows.empty:
            continue
        best = records(rows.sort_values("accuracy", ascending=False, kind="stable").head(1))[0]
        label = row_label(best["router"], best["variant"]) if best["family"] != "reference" else ""
        tiles.append(
            tag(
                "div",
                tag("dt", name),
                tag("dd", tag("b", f"{100 * best['accuracy']:.1f}"), tag("span", " %"), class_="value"),
                tag("dd", f"{100 * best['ci_low']:.1f} to {100 * best['ci_high']:.1f}", class_="ends"),
                tag("dd", label, class_="what") if label and label != name else None,
                class_="tile",
            )
        )
    note = tag(
        "p",
        f"Test accuracy with the interval of {100 * settings['level']:g} %{f'; {where}' if where else ''}. Best means the highest of "
        "several figures on the test part, which flatters it.",
        class_="note",
    )
    return tag("div", tag("dl", tiles, class_="tiles"), note)


def accuracy(frames: Mapping[str, pd.DataFrame], settings: Mapping[str, Any]) -> Markup | None:
    """Routers by scenarios, a table for each dataset and pool."""
    if "accuracy" not in frames:
        return None
    frame, baseline = frames["accuracy"], settings["baseline"]
    compared = against(frames["comparisons"], baseline, frame)
    stars = significant(compared)
    direction = {
        (row["dataset"], row["scenario"], row["pool"], row["first"], row["first_variant"]): row["difference"]
        for row in records(compared)
    }
    scenarios = ordered(frame["scenario"], [REAL, *settings["titles"]["scenario"]])
    parts = []
    for (dataset, pool), part in frame.groupby(["dataset", "pool"], sort=False):
        rows: list[list[Any]] = []
        shown = [scenario for scenario in scenarios if scenario in set(part["scenario"])]
        cells = {(row["router"], row["variant"], row["scenario"]): row for row in records(part)}
        for family in FAMILIES:
            of_family = part[part["family"] == family]
            if of_family.empty:
                continue
            rows.append([family])
            for router, variant in dict.fromkeys(zip(of_family["router"], of_family["variant"], strict=True)):
                line: list[Any] = [row_label(router, variant)]
                for scenario in shown:
                    cell = cells.get((router, variant, scenario))
                    if cell is None:
                        same = family in SCENARIO_INDEPENDENT and (router, variant, REAL) in cells
                        line.append(tag("span", SAME if same else "–", class_="quiet"))
                        continue
                    key = (dataset, scenario, pool, router, variant)
                    line.append(_value(cell, key in stars, direction.get(key, 0.0), baseline))
                rows.append(line)
        names = [_title(settings, "scenario", scenario) for scenario in shown]
        caption = f"{_title(settings, 'dataset', str(dataset))}, {_title(settings, 'pool', str(pool))}"
        parts.append(table(["Router", *names], rows, caption, ["", *["number"] * len(names)]))
    note = (
        f"Test accuracy in %, mean ± standard deviation over {len(settings['seeds'])} splits. ▲ and ▼: really above or below "
        f"{baseline} with as many calls, at a false discovery rate of 5 % over all pairs. {smallest_shown(frames['comparisons'])}"
    )
    return tag("div", _folded(parts), tag("p", note, class_="note"))


def members(frames: Mapping[str, pd.DataFrame], settings: Mapping[str, Any]) -> Markup | None:
    """Each member task by task, and how often routers ask each."""
    if "tasks" not in frames:
        return None
    parts = []
    frame = frames["tasks"]
    for name_of, of_dataset in frame.groupby("dataset", sort=False):
        names = [name for name in frame.columns if name in settings["members"] and of_dataset[name].notna().all()]
        rows = []
        for row in records(of_dataset):
            best = row["best"].split(", ")
            cells = [_shade(row[name], f"{100 * row[name]:.0f}", name in best) for name in names]
            rows.append([row["task"], f"{row['n_queries']:g}", *cells])
        header = ["Task", "Queries", *(settings["members"][name] for name in names)]
        caption = f"{_title(settings, 'dataset', str(name_of))}: accuracy of each member in %, by task (★ the best)"
        parts.append(table(header, rows, caption, ["", "number", *["heat"] * len(names)], wide=True))
    shares = frames["choices"]
    shares = shares[~shares["router"].isin(["single", "oracle", "random", "majority"])]
    for (where, key), of_pool in shares.groupby(["dataset", "pool"], sort=False):
        dataset, pool = str(where), str(key)
        names = settings["pools"][pool]
        rows = []
        for scenario, of_scenario in of_pool.groupby("scenario", sort=False):
            rows.append([_title(settings, "scenario", str(scenario))])
            for (router, variant), line in of_scenario.groupby(["router", "variant"], sort=False):
                share = dict(zip(line["member"], line["share"], strict=True))
                values = [share.get(name, 0.0) for name in names]
                top = max(values)
                rows.append(
                    [row_label(str(router), str(variant)), *(_shade(v, f"{100 * v:.0f}", v == top) for v in values)]
                )
        caption = (
            f"{_title(settings, 'dataset', dataset)}, {_title(settings, 'pool', pool)}: queries in % for which a router asks "
            "each member (★ the most asked)"
        )
        header = ["Router", *(settings["members"][name] for name in names)]
        parts.append(table(header, rows, caption, ["", *["heat"] * len(names)], wide=True))
    return tag("div", _folded(parts, 4))


def generation(frames: Mapping[str, pd.DataFrame], settings: Mapping[str, Any]) -> Markup | None:
    """What became of the generators' draws."""
    if "generation" not in frames:
        return None
    frame = frames["generation"]
    parts = []
    for (dataset, generator), part in frame.groupby(["dataset", "generator"], sort=False):
        counts = [
            name
            for name in frame.columns
            if name not in ("dataset", "generator", "task")
            and (name in ("draws", "kept") or part[name].fillna(0).any())
        ]
        rows = [
            [row["task"], *(f"{0 if pd.isna(row[name]) else row[name]:g}" for name in counts)] for row in records(part)
        ]
        caption = f"{_title(settings, 'dataset', str(dataset))}, {settings['titles']['scenario'].get(generator, generator)}: draws, and why they were dropped"
        header = ["Task", *(name.replace("_", " ") for name in counts)]
        parts.append(table(header, rows, caption, ["", *["number"] * len(counts)], wide=True))
    return tag("div", _folded(parts, 4))


def diagnostics(frames: Mapping[str, pd.DataFrame], settings: Mapping[str, Any]) -> Markup | None:
    """Each check of the generated data, its figure and what to do."""
    if "diagnostics" not in frames:
        return None
    parts = []
    for (dataset, scenario, pool), part in frames["diagnostics"].groupby(["dataset", "scenario", "pool"], sort=False):
        rows = [
            [
                row["check"],
                tag("span", "✓ fine" if row["verdict"] == "fine" else "⚠ look", class_=f"verdict {row['verdict']}"),
                row["shown"],
                row["advice"],
            ]
            for row in records(part)
        ]
        caption = ", ".join(
            [
                _title(settings, "dataset", str(dataset)),
                _title(settings, "scenario", str(scenario)),
                _title(settings, "pool", str(pool)),
            ]
        )
        parts.append(table(["Check", "Verdict", "Found", "What to do"], rows, caption, ["", "", "", "text"]))
    return tag("div", _folded(parts, 6))


def provenance(root: Path, settings: Mapping[str, Any], data: Mapping[str, Any]) -> Markup:
    """Which files the page was made of, and what made them."""
    made = [f"tables/{settings['name']}/{name}.parquet" for name in settings["tables"]]
    names = list(dict.fromkeys([*made, *(name for part in data["datasets"].values() for name in part["files"])]))
    rows: list[list[Any]] = []
    versions: dict[str, str] = {}
    for name in names:
        content = read_provenance(root / name) or {}
        versions |= {str(key): str(value) for key, value in content.get("versions", {}).items()}
        rows.append(
            [
                tag("code", name_under(root, root / name)),
                content.get("rule", "–"),
                tag("code", str(content.get("sha256", "–"))[:12]),
                f"{len(content.get('inputs', {}))}",
            ]
        )
    told = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    listing = table(
        ["File under the results", "Made by the rule", "SHA-256", "Inputs"], rows, "", ["", "", "", "number"], wide=True
    )
    return tag(
        "div",
        tag("p", "Beside each of these files lies its ", tag("code", ".provenance.json"), ": inputs with digests, parameters, code, versions. ",
            tag("code", "rgd explain FILE"), " tells how a file came about and what has changed since.", class_="lead"),
        tag("p", f"Versions: {told}." if told else "", class_="note"),
        tag("details", tag("summary", f"{len(rows)} files"), listing),
    )  # fmt: skip


def _value(cell: Mapping[str, Any], star: bool, difference: float, baseline: str) -> Markup:
    spread = "" if np.isnan(cell["accuracy_std"]) else f" ± {100 * cell['accuracy_std']:.1f}"
    ends = f"{100 * cell['ci_low']:.1f} to {100 * cell['ci_high']:.1f}; {cell['calls_per_query']:g} calls per query"
    sign, words = ("▲", f"really above {baseline}") if difference > 0 else ("▼", f"really below {baseline}")
    mark = (
        tag("span", sign, title=words, class_="up" if difference > 0 else "down")
        if star
        else tag("span", class_="none")
    )
    return tag(
        "td",
        tag("b", f"{100 * cell['accuracy']:.1f}"),
        tag("span", spread, class_="quiet"),
        mark,
        class_="number",
        title=ends,
    )


def _shade(value: float, words: str, best: bool) -> Markup:
    return tag(
        "td",
        words,
        tag("span", "★" if best else "", class_="star"),
        class_="heat",
        style=f"--v:{min(max(value, 0), 1):.3f}",
    )


def scenario_title(settings: Mapping[str, Any], key: str) -> str:
    """What a scenario is called in headings."""
    return "Real data" if key == REAL else f"By {settings['titles']['scenario'].get(key, key)}"


def _title(settings: Mapping[str, Any], kind: str, key: str) -> str:
    if kind == "scenario":
        return scenario_title(settings, key)
    return settings["titles"].get(kind, {}).get(key, key)


def _folded(parts: Sequence[Markup], most: int = 2) -> list[Markup]:
    """The first tables, and the others behind a line to click on."""
    rest = parts[most:]
    more = [tag("details", tag("summary", f"{len(rest)} more"), list(rest))] if rest else []
    return [*parts[:most], *more]
