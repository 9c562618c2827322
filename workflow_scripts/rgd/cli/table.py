"""The command ``rgd table``: an experiment's main table, also of what is there while jobs still run or have failed."""

from collections.abc import Sequence
from pathlib import Path

from rgd.analysis.partial import partial_table, state
from rgd.analysis.tables import print_summary
from rgd.analysis.writing import write_all
from rgd.config import slices, sweep
from rgd.config.command_line import configuration
from rgd.config.schema import Config
from rgd.errors import UserError
from rgd.routers import load as load_router

Key = tuple[str, str, str, str]
NOTE = (
    "Accuracy on the test part in per cent, mean ± standard deviation over splits, of the cells that are there; missing: not made "
    "yet, or its job has failed. Whether a cell is up to date, `rgd plan` tells. {state}"
)


def table(settings: Sequence[str], partial: bool) -> str:
    """The text that ``rgd table`` prints.

    Args:
        settings: as after Snakemake's --config: experiment=NAME, data_root=DIR, overrides=[...].
        partial: whether cells may be missing; then tables/EXPERIMENT/accuracy_partial.* are written.

    Raises:
        UserError: a setting that is none, a mistake in the configuration, or cells are missing and ``partial`` is not set.
    """
    config = configuration(settings)
    cells = families(config)
    results = Path(config.paths.results)
    summary = results / "tables" / config.name / "summary.txt"
    if not partial:
        if not summary.is_file():
            raise UserError(
                f"{summary} is not made yet. Run snakemake to make it, or add --partial for a table of what is there."
            )
        return summary.read_text(encoding="utf-8").rstrip("\n")
    order = slices.tables(config)
    excluded: dict[Key, str] = {_key(cell): reason for cell, reason in sweep.excluded_cells(config).items()}
    found = partial_table(results, cells, order, slices.titles(config), excluded)
    if found.accuracy.empty:
        raise UserError(f"no cell of {config.name} is there yet under {results}/cells. Run snakemake first.")
    note = NOTE.format(state=state(found))
    paths = write_all(found.accuracy, results / "tables" / config.name / "accuracy_partial", found.people, note)
    return "\n\n".join([print_summary(found.people), note, "\n".join(map(str, paths))])


def families(config: Config) -> dict[Key, str]:
    """Every cell of the experiment (dataset, scenario, pool, router) and the family of its router."""
    routers = sweep.router_cells(config)
    known = {name: load_router(config.router[name].method).family for name in {cell.router for cell in routers}}
    cells: dict[Key, str] = {_key(cell): known[cell.router] for cell in routers}
    return cells | {_key(cell): "reference" for cell in sweep.reference_cells(config)}


def _key(cell: sweep.Cell) -> Key:
    return cell.dataset, cell.scenario, cell.pool, cell.router
