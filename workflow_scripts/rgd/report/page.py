"""The page of an experiment: tables, figures, the walk down and where everything comes from, in one file."""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rgd import __version__
from rgd.artifacts.files import read_table
from rgd.report import figures, tables
from rgd.report.html import Markup, json_script, tag
from rgd.report.walk import asked_files, walk

# Files beside this one, whose text becomes part of the page; the rule that makes it names them.
STYLE, SCRIPT = "style.css", "script.js"
FILES = tuple(f"rgd/report/{name}" for name in (STYLE, SCRIPT))


def files(settings: Mapping[str, Any]) -> list[str]:
    """The artifacts that the page is made of beside tables, by their place under the results' folder."""
    return list(dict.fromkeys([*asked_files(settings), *figures.map_files(settings)]))


def report(root: Path, settings: Mapping[str, Any]) -> str:
    """The page as HTML.

    Args:
        root: the results' folder.
        settings: as :func:`rgd.report.settings.settings` gives them.
    """
    frames = {
        name: read_table(root / f"tables/{settings['name']}/{name}.parquet").to_pandas() for name in settings["tables"]
    }
    sections = [
        ("accuracy", "Accuracy", "Accuracy", tables.accuracy(frames, settings)),
        ("scenarios", "Scenarios", "By scenario and router", figures.accuracy(frames, settings)),
        ("differences", "Differences", "Which differences are real", figures.differences(frames, settings)),
        ("cost", "Cost", "Accuracy against cost", figures.cost(frames, settings)),
        ("members", "Models", "Models and tasks", tables.members(frames, settings)),
        ("queries", "Maps", "Maps of the queries", figures.maps(root, settings)),
        ("walk", "Walk", "From question to answer", _walk_section(settings)),
        ("generation", "Generators", "What the generators wrote", tables.generation(frames, settings)),
        ("diagnostics", "Diagnostics", "Is the generated data any good?", tables.diagnostics(frames, settings)),
    ]
    shown = [(key, short, title, content) for key, short, title, content in sections if content is not None]
    data = walk(root, settings)
    shown.append(("provenance", "Provenance", "Where this comes from", tables.provenance(root, settings, data)))
    return document(settings, shown, data, tables.summary(frames, settings))


def document(
    settings: Mapping[str, Any],
    sections: list[tuple[str, str, str, Markup]],
    data: Mapping[str, Any],
    summary: Markup | None,
) -> str:
    """The sections as one document, whose policy lets the browser load nothing and run its own script alone."""
    here = Path(__file__).parent
    style, script = ((here / name).read_text(encoding="utf-8") for name in (STYLE, SCRIPT))
    script_hash = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{script_hash}'; base-uri 'none'; form-action 'none'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name_="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),
        tag("title", settings["title"]),
        Markup(f"<style>{style}</style>"),
    )
    links = [tag("a", short, href=f"#{key}") for key, short, _, _ in sections]
    top = tag(
        "header",
        tag("p", "Routing with generated data", class_="kicker"),
        tag("h1", settings["title"]),
        tag("p", _facts(settings), class_="facts"),
        summary,
        class_="top",
    )
    body = tag(
        "body",
        tag("a", "Skip to the results", href=f"#{sections[0][0]}", class_="skip"),
        tag(
            "nav",
            tag("div", links, class_="links"),
            tag("button", "Theme: system", type="button", id="theme"),
            aria_label="Sections",
        ),
        tag("main", top, [_section(*section) for section in sections]),
        tag("footer", f"Made by rgd {__version__}. This page asks nothing of any server."),
        json_script("data", data),
        Markup(f"<script>{script}</script>"),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _section(key: str, _: str, title: str, content: Markup) -> Markup:
    return tag("section", tag("h2", title, id=f"{key}-title"), content, id=key, aria_labelledby=f"{key}-title")


def _facts(settings: Mapping[str, Any]) -> str:
    def several(count: int, what: str) -> str:
        return f"{count} {what}{'' if count == 1 else 's'}"

    scenarios = {cell[1] for cell in settings["cells"]}
    return " · ".join(
        [
            several(len(settings["titles"]["dataset"]), "dataset"),
            several(len(scenarios), "scenario"),
            several(len(settings["pools"]), "pool"),
            several(len(settings["routers"]), "router"),
            several(len(settings["seeds"]), "split"),
        ]
    )


def _walk_section(settings: Mapping[str, Any]) -> Markup | None:
    if not settings["cells"]:
        return None
    lead = (
        "A test query and all that stands between it and its answer, for one router of the first split. Routers see no label; the right "
        "option is marked for you alone."
    )
    if not settings["tested"]:
        lead = (
            "A training query and all that stands between it and its answer, routed as if it were new, with the others around it. What is "
            "marked as right is only what the generator says."
        )
    return tag(
        "div",
        tag("p", lead, class_="lead"),
        tag("div", id="controls", class_="controls"),
        tag(
            "div",
            tag("div", tag("ol", id="questions", aria_label="Test queries"), class_="list"),
            tag("div", id="steps", class_="steps", aria_live="polite"),
            class_="walk",
        ),
        tag("noscript", tag("p", "The walk needs JavaScript; everything else on this page does not.")),
    )
