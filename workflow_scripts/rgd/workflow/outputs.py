"""Outputs that several rules share."""

from typing import Any

from rgd.workflow import paths


def table(name: str, caption: str | None = None) -> dict[str, Any]:
    """The four files of a table of ``{experiment}``; if there is a ``caption``, Snakemake's own report shows the CSV."""
    from snakemake.io import report

    files: dict[str, Any] = {kind: paths.table("{experiment}", name, kind) for kind in paths.KINDS}
    if caption is not None:
        files["csv"] = report(files["csv"], caption=caption, category="Tables")
    return files


def figure(name: str, caption: str) -> dict[str, Any]:
    """The two files of a figure of ``{experiment}``; Snakemake's own report shows the SVG."""
    from snakemake.io import report

    svg, png = (paths.figure("{experiment}", name, kind) for kind in ("svg", "png"))
    return {"svg": report(svg, caption=caption, category="Figures"), "png": png}
