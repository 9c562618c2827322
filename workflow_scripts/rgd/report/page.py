"""The page of an experiment: tables, figures, a walk through single queries and provenance, in one HTML file.

The template escapes whatever models and users wrote. Figures are embedded as images, in which no script runs.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from rgd import __version__
from rgd.analysis.comparisons import smallest_shown
from rgd.analysis.order import group_title
from rgd.artifacts.files import read_table
from rgd.artifacts.provenance import read_provenance
from rgd.report import tables
from rgd.report.tables import Frames, Settings, Table
from rgd.report.walk import asked_files, walk

# Files beside this one whose text becomes part of the page; the rule that makes the page names them.
TEMPLATE, STYLE, SCRIPT = "page.html", "style.css", "script.js"
FILES = tuple(f"rgd/report/{name}" for name in (TEMPLATE, STYLE, SCRIPT))
# Control characters and unpaired UTF-16 surrogates are not valid HTML text.
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
CAPTIONS = {
    "accuracy": "Test accuracy by scenario and router with intervals, after Figure 3 of the paper; the mean of the datasets that "
    "have every scenario.",
    "cost": "Accuracy against calls and tokens per query; the line joins what no other router beats in both.",
    "pareto": "Accuracy against cost, with intervals over the test questions. The solid line joins what nothing beats in both, the "
    "dashed one what sharing queries at random between single models reaches.",
    "learning_curve": "Accuracy against the number of training queries.",
    "label_budget": "Accuracy against the number of labels: routers that ask for a few, and routers that learn from as many labelled queries.",
    "benchmark_routing": "Benchmark routing against the share of labelled examples of the routed task, after Figure 2 of its paper.",
    "queries": "Queries by task in the plane of the first scenario's first two principal components, after Figure 4 of the paper. "
    "Rings are CASCAL's centroids.",
}

TRUST = (
    "No labelled test questions tell here how good the routers are, so this is what they say themselves, and the checks with "
    "something to look at. Labels are what shows more: the command rgd label asks you for those that decide most, in an hour or less "
    "(labels: n in a router's file, or rgd label --bundle). They are used by the next run."
)
VARIANTS = (
    "Variants: topK asks the K members that the router ranks first, or its best panel of K, and combines their answers; sequentialB "
    "asks one member after another, B times in the mean. Calls are per test query."
)


@dataclass(frozen=True)
class Figure:
    """A figure of the experiment as an image in the page: its caption, and its SVG as a data URI."""

    caption: str
    source: str


@dataclass(frozen=True)
class Section:
    """A part of the page under a heading; the template itself has those of the walk and the provenance.

    Attributes:
        key, link, title: its anchor, its name in the navigation, its heading.
        figures, tables: its content.
        note: a remark below it.
    """

    key: str
    link: str
    title: str
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    note: str = ""


def files(settings: Settings) -> list[str]:
    """The artifacts besides tables that the page is made of, as paths relative to the results' folder."""
    figures = [_figure_file(settings, name) for name, _ in settings["figures"]]
    return list(dict.fromkeys([*figures, *asked_files(settings)]))


def report(root: Path, settings: Settings, commit: str = "") -> str:
    """The page as HTML.

    Args:
        root: the results' folder.
        settings: from :func:`rgd.report.settings.settings`.
        commit: of the checkout, which the page names; empty if it is not known.
    """
    frames = {
        name: read_table(root / f"tables/{settings['name']}/{name}.parquet").to_pandas() for name in settings["tables"]
    }
    data = walk(root, settings)
    sections = [
        Section("trust", "Trust", "Can this be trusted?", tables=tables.trust(frames, settings), note=TRUST),
        *_results(root, frames, settings),
        Section("routers", "Routers", "Who is who", tables=tables.routers(settings), note=VARIANTS),
        *([Section("walk", "Walk", "From question to answer")] if settings["cells"] else []),
        Section("generation", "Generators", "What the generators wrote", tables=tables.generation(frames, settings)),
        Section(
            "diagnostics",
            "Diagnostics",
            "Is the generated data any good?",
            tables=tables.diagnostics(frames, settings),
        ),
        Section("provenance", "Provenance", "Where this comes from"),
    ]
    own = ("walk", "provenance")
    shown = [section for section in sections if section.key in own or section.figures or section.tables]
    style, script = (_beside(name) for name in (STYLE, SCRIPT))
    tiles, where = tables.summary(frames, settings)
    return template().render(
        settings=settings,
        sections=shown,
        tiles=tiles,
        where=where,
        data=data,
        made_of=_provenance(root, settings, data),
        style=style,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        version=__version__,
        commit=commit,
        families=tables.FAMILY_WORDS,
    )


def template(name: str = TEMPLATE) -> Any:
    """The template of a page, a file beside this one; it escapes all text except its own style and script."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_text
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    return environment.from_string(_beside(name))


def _text(value: Any) -> Any:
    return value if hasattr(value, "__html__") else _NO_TEXT.sub("�", str(value))


def _beside(name: str) -> str:
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def _results(root: Path, frames: Frames, settings: Settings) -> list[Section]:
    """The sections of results, from the accuracies to the maps of the queries."""

    def figures(kind: str) -> list[Figure]:
        return [_figure(root, settings, *each) for each in settings["figures"] if _kind(each[0]) == kind]

    baseline = settings["baseline"]
    power = smallest_shown(frames["comparisons"]) if "comparisons" in frames else ""
    return [
        Section(
            "accuracy",
            "Accuracy",
            "Accuracy by scenario and router",
            figures("accuracy"),
            tables.accuracy(frames, settings),
            f"Test accuracy in %, mean ± standard deviation over {len(settings['seeds'])} splits. ▲ and ▼: really above or "
            f"below {baseline} with as many calls, by tests over questions that are adjusted over all pairs.",
        ),
        Section(
            "differences",
            "Differences",
            "Which differences are real",
            (),
            tables.differences(frames, settings),
            f"Difference in accuracy to {baseline} on the same test queries, in points, with its interval. A star marks a real "
            f"one; a tilde compares different numbers of calls. {power}",
        ),
        Section(
            "cost",
            "Cost",
            "Accuracy against cost",
            [*figures("cost"), *figures("pareto")],
            tables.costs(frames, settings),
        ),
        Section(
            "curve",
            "Training",
            "More training queries and labels",
            [*figures("learning_curve"), *figures("label_budget"), *figures("benchmark_routing")],
        ),
        Section("members", "Models", "Models and tasks", (), tables.members(frames, settings)),
        Section("queries", "Maps", "Maps of the queries", figures("queries")),
    ]


def _figure_file(settings: Settings, name: str) -> str:
    return f"figures/{settings['name']}/{name}.svg"


def _kind(name: str) -> str:
    return name.partition("_of_")[0]


def _figure(root: Path, settings: Settings, name: str, dataset: str) -> Figure:
    where = f"{group_title(settings['titles'], dataset=dataset)}: " if dataset else ""
    image = base64.b64encode((root / _figure_file(settings, name)).read_bytes()).decode()
    return Figure(where + CAPTIONS[_kind(name)], f"data:image/svg+xml;base64,{image}")


def _provenance(root: Path, settings: Settings, data: Mapping[str, Any]) -> dict[str, Any]:
    """The files that the page was made of, what made each and with which versions, and the day of the latest one."""
    made = [f"tables/{settings['name']}/{name}.parquet" for name in settings["tables"]]
    made += [_figure_file(settings, name) for name, _ in settings["figures"]]
    walked = [name for part in data["datasets"].values() for name in part["files"]]
    rows = []
    versions: dict[str, str] = {}
    made_on = ""
    for name in dict.fromkeys([*made, *walked]):
        content = read_provenance(root / name) or {}
        versions |= content.get("versions", {})
        made_on = max(made_on, str(content.get("made", ""))[:10])
        digest = str(content.get("sha256", "–"))[:12]
        rows.append((name, content.get("rule", "–"), digest, len(content.get("inputs", {}))))
    return {"files": rows, "versions": sorted(versions.items()), "made_on": made_on}
