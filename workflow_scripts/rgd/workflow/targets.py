"""The files behind an experiment's targets: all, questions, answers, tables, figures and so on."""

import os
import shlex
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from rgd.config.analyses import left_out, made_figures, made_tables
from rgd.config.command_line import retold
from rgd.config.needs import embedders, models
from rgd.routing.reduced import REAL
from rgd.workflow import paths, replicas
from rgd.workflow.inputs import Inputs
from rgd.workflow.study import Study


class Targets:
    """The targets of a study's rules."""

    def __init__(self, study: Study, inputs: Inputs) -> None:
        config, name = study.config, study.name
        self.study = study
        self.cells = [paths.cell(cell) for cell in study.scored_cells]
        self.outcomes = [paths.outcomes(cell) for cell in study.scored_cells]
        self.choices = [paths.choices(cell) for cell in study.scored_cells]
        tested = set(study.tested_cells)
        # Without labels nothing can be tested: the products are the routes of the test queries, if there are any, or else the
        # fitted routers.
        self.untested = [
            paths.routes(cell) if config.dataset[cell.dataset].has_questions else paths.router(cell)
            for cell in study.cells
            if cell not in tested
        ]
        self.questions = inputs.questions(study.asked)
        self.responses = inputs.responses(study.query_sets)
        self.tables = [paths.table(name, table, kind) for table in made_tables(config) for kind in paths.KINDS]
        self.figures = [paths.figure(name, figure, kind) for figure in made_figures(config) for kind in ("svg", "png")]
        self.summary = [paths.summary(name)] if self.cells else []
        self.bundles = [paths.bundle("bundle.json", cell) for cell in study.bundled_cells]
        self.to_label = [paths.queries_to_label(cell) for cell in study.cells if study.router(cell).labels]
        self.report = paths.report(name)
        self.leaderboard = [paths.table(name, "leaderboard", kind) for kind in (*paths.KINDS, "html")]
        self.weights = [
            *(path for model in models(config) for path in inputs.weights(model)),
            *(paths.embedder_weights(key) for key, spec in embedders(config).items() if spec.weights is not None),
        ]

    @property
    def files(self) -> list[str]:
        """Every file that a target of the experiment names, to compare a mistyped one with."""
        found = [self.report, *(path for each in vars(self).values() if isinstance(each, list) for path in each)]
        return [path.replace("<results>", self.study.config.paths.results) for path in found]

    @property
    def all(self) -> list[str]:
        """The files of a run that names no target."""
        report = [self.report] if self.study.config.experiment.report else []
        return [*self.cells, *self.untested, *self.tables, *self.figures, *self.summary, *self.bundles, *report]

    # The records of further jobs that share what models with replicas are asked.

    def replicas(self, wildcards: Any) -> list[str]:
        del wildcards
        return replicas.records(self.study)

    def replicas_of_answers(self, wildcards: Any) -> list[str]:
        del wildcards
        return replicas.records(self.study, replicas.ANSWERS)

    def replicas_of_queries(self, wildcards: Any) -> list[str]:
        del wildcards
        return replicas.records(self.study, replicas.QUERIES)


def summary(study: Study, made: Collection[str]) -> str:
    """The end of a run: the experiment's main table, the paths of its tables, figures and page, and what is left out.

    Args:
        study: of the experiment.
        made: the files that the run has made or found up to date. What lies in the results beside them is of an earlier
            run, and nothing is said of it.

    Returns:
        "" if the run was for none of these.
    """
    root = Path(study.config.paths.results)
    made = {os.path.normpath(path) for path in made}
    main = root / "tables" / study.name / ("summary.txt" if study.scored_cells else "diagnostics.parquet")
    folders = {"tables": "*.md", "figures": "*.png", "reports": "*.html"}
    found = [path for folder, files in folders.items() for path in root.glob(f"{folder}/{study.name}/{files}")]
    shown = sorted(str(path) for path in found if os.path.normpath(path) in made)
    table = [_told(main)] if os.path.normpath(main) in made and main.exists() else []
    absent = [f"Left out: {reason}." for reason in left_out(study.config)] if made else []
    return "\n".join([*table, *shown, *absent])


def _is_shell_here() -> bool:
    """Whether a run's folder is that in which it was typed; ``snakemake --directory`` leaves it."""
    try:
        return os.path.samefile(os.environ.get("PWD", "."), ".")
    except OSError:
        return True


def _told(main: Path) -> str:
    """The main table as text for a terminal: accuracies, or where none can be told, the checks."""
    if main.suffix == ".txt":
        return main.read_text(encoding="utf-8")
    from rgd.analysis.diagnostics import in_lines
    from rgd.artifacts.files import read_table

    return in_lines(read_table(main).to_pandas())


def _exportable(study: Study, made_of: Callable[[str], str | None]) -> str | None:
    """A fitted router of an experiment that makes no bundles; None if it makes some, or has not fitted the router."""
    fitted = [cell for cell in study.cells if cell.router == "latent_truth"] if not study.bundled_cells else []
    return next(filter(None, (made_of(paths.router(cell)) for cell in fitted)), None)


def following(study: Study, made: Collection[str]) -> str:
    """What a person may look at or type after a run.

    Args:
        study: of the experiment.
        made: the files that the run has made or found up to date.

    Returns:
        a line for each thing; "" if the run was for none of these.
    """
    results = study.config.paths.results
    made = {os.path.normpath(path) for path in made}

    def made_of(path: str) -> str | None:
        place = os.path.normpath(paths.located(path, results))
        return place if place in made else None

    # `make quickstart` runs without the environment on the path.
    rgd = "rgd" if shutil.which("rgd") else ".venv/bin/rgd"
    lines = []
    if page := made_of(paths.report(study.name)):
        lines.append(("look at", page))
    # Of several routers the one that this project recommends, learned from generated queries where there are some.
    cells = sorted(study.bundled_cells, key=lambda cell: (cell.router != "latent_truth", cell.scenario == REAL))
    bundles = (made_of(paths.bundle("bundle.json", cell)) for cell in cells)
    if bundle := next(filter(None, bundles), None):
        routed = shlex.quote(os.path.dirname(bundle))
        lines.append(("route a query", f'{rgd} route --bundle {routed} "QUERY"'))
        lines.append(("serve the router", f"{rgd} serve --bundle {routed}"))
        if all(cell.scenario != REAL for cell in cells):
            lines.append(("label what tells most", f"{rgd} label --bundle {routed}"))
    elif router := _exportable(study, made_of):
        lines.append(("make a bundle, to route", shlex.join([rgd, "export", router, "FOLDER", *retold(study.given)])))
    if made_of(paths.summary(study.name)):
        lines.append(("after an edit in config/", shlex.join([rgd, "plan", *retold(study.given)])))
    if lines and not _is_shell_here():
        lines.insert(0, ("in the folder", shlex.quote(os.getcwd())))
    return "\n".join(["Next", *(f"  {what:<26}{how}" for what, how in lines)]) if lines else ""
