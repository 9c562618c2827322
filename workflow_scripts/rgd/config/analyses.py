"""What an experiment's analyses need from its configuration: checks across sections, and the paper's names for keys."""

from pathlib import Path
from typing import Any

from rgd.config import scenarios, sweep
from rgd.config.files import file_of
from rgd.config.hints import nearest
from rgd.config.members import members
from rgd.config.products import listed, unique
from rgd.config.schema import Config
from rgd.errors import UserError
from rgd.routing.reduced import REAL

NEEDS = {name: name for name in ("learning_curve", "label_budget", "drop_one")}
"""The section that a table or figure needs. Tables that need a referee say so themselves."""

UNLABELLED = frozenset(
    (
        "generation",
        "audit",
        "ranking_transfer",
        "label_quality",
        "generator_diagnostics",
        "diagnostics",
        "leaks",
        "shift",
        "queries",
    )
)
"""The tables and figures that need no labels of the benchmark's questions."""


def made_tables(config: Config) -> list[str]:
    """The experiment's tables; if no dataset has labels, those that need none."""
    return [name for name in config.experiment.tables if _can_be_made(config, name)]


def made_figures(config: Config) -> list[str]:
    """The experiment's figures; if no dataset has labels, those that need none."""
    return [name for name in config.experiment.figures if _can_be_made(config, name)]


def left_out(config: Config) -> list[str]:
    """What an experiment names and cannot make, and why: tables, figures and routers; not what its own rules exclude."""
    experiment = config.experiment
    names = [name for name in (*experiment.tables, *experiment.figures) if not _can_be_made(config, name)]
    datasets = ", ".join(listed(config).datasets)
    absent = [f"{', '.join(unique(names))}, because {datasets} has no labels"] if names else []
    by_rule = {rule.reason for rule in experiment.exclude}
    reasons = [reason for reason in unique(sweep.excluded_cells(config).values()) if reason not in by_rule]
    return [*absent, *reasons]


def _can_be_made(config: Config, name: str) -> bool:
    return name in UNLABELLED or any(config.dataset[dataset].is_tested for dataset in listed(config).datasets)


def check_analyses(config: Config, folder: Path) -> None:
    """Check the experiment's settings of its analyses.

    Raises:
        UserError: a name that is not in the experiment, a table without the section that it needs, or two keys that stand
            for the same name of the paper.
    """
    where = file_of(folder, "experiment", config.name)
    experiment, order = config.experiment, listed(config)
    for table in [*experiment.tables, *experiment.figures]:
        section = NEEDS.get(table)
        if section is not None and getattr(experiment, section) is None:
            raise UserError(
                f"{where}: {table} needs the section {section}, which is null. Add the section, or remove {table}."
            )

    def check(key: str, names: list[str] | None, known: tuple[str, ...] | list[str], what: str) -> None:
        for name in names or []:
            if name not in known:
                raise UserError(f"{where}: {key} names {name}, which is not a {what}. " + nearest(name, list(known)))

    generated = [scenario for scenario in order.scenarios if scenario != REAL]
    if experiment.referee is not None:
        whole = [scenario for scenario in generated if scenarios.parse(config, scenario).pool is None]
        check(
            "referee.scenarios",
            experiment.referee.scenarios,
            whole,
            "generated, unfiltered scenario of this experiment",
        )
    for section in ("learning_curve", "drop_one"):
        spec = getattr(experiment, section)
        if spec is not None:
            check(f"{section}.routers", spec.routers, order.routers, "router of this experiment")
            check(f"{section}.scenarios", spec.scenarios, order.scenarios, "scenario of this experiment")
    if experiment.label_budget is not None:
        for key, asks in (("routers", True), ("beside", False)):
            named, fit = getattr(experiment.label_budget, key), sweep.with_labels(config, asks)
            what = "asks for labels" if asks else "learns from labels"
            check(f"label_budget.{key}", named, fit, f"router of this experiment that {what}")
            if asks and not fit:
                raise UserError(
                    f"{where}: label_budget needs a router whose method asks for labels, and the experiment has none. Add "
                    "latent_truth to routers, or set label_budget: null."
                )
    for cell in sweep.drop_one_cells(config):
        pool = config.pool.get(cell.pool)
        if pool is not None and len(pool.members) < 3:
            raise UserError(
                f"{where}: drop_one needs pools of at least three members, but {cell.pool} has {len(pool.members)}. "
                "Remove the section, or add members to the pool."
            )
    stands_for, own = experiment.stands_for, _own(config)
    check("costs.prices", list(experiment.costs.prices), own["variant"], "member of this experiment's pools")
    kinds = {"dataset": own["dataset"], "pool": own["pool"], "router": own["router"], "member": own["variant"]}
    for kind, known in {**kinds, "generator": list(config.generator)}.items():
        check(f"stands_for.{kind}", list(getattr(stands_for, kind)), known, f"{kind} of this experiment")
    for kind, names in names_in_paper(config).items():
        taken: dict[str, str] = {}
        for key in own[kind]:
            other = taken.setdefault(names.get(key, key), key)
            if other != key:
                raise UserError(
                    f"{where}: stands_for: {other} and {key} both stand for {names.get(key, key)}. Remove one of them."
                )


def names_in_paper(config: Config) -> dict[str, dict[str, str]]:
    """The experiment's keys that have other names in the paper, by kind (dataset, scenario, pool, router, variant)."""
    stands_for = config.experiment.stands_for
    found = {
        "dataset": dict(stands_for.dataset),
        "scenario": {},
        "pool": dict(stands_for.pool),
        "router": dict(stands_for.router),
        "variant": dict(stands_for.member),
    }
    for key in _own(config)["scenario"]:
        if key != REAL:
            parts = scenarios.parse(config, key)
            pool = None if parts.pool is None else stands_for.pool.get(parts.pool, parts.pool)
            writer = stands_for.generator.get(parts.generator, parts.generator)
            name = scenarios.key_of(writer, parts.variant, parts.size, pool)
            found["scenario"] |= {key: name} if name != key else {}
    return found


def published(config: Config) -> dict[str, Any]:
    """What determines the table of published values: the experiment's keys, the paper's names for them, and the exclusions."""
    return {
        "own": _own(config),
        "names": names_in_paper(config),
        "exclude": [rule.model_dump() for rule in config.experiment.exclude],
        "referee": config.experiment.referee is not None,
    }


def published_titles(config: Config, titles: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """The experiment's titles, by the paper's keys."""
    names = names_in_paper(config)
    asked = members(config)
    models = {key: asked[key].model.title for key in _own(config)["variant"] if key in asked}
    return {
        kind: {names.get(kind, {}).get(key, key): title for key, title in group.items()}
        for kind, group in {**titles, "variant": models}.items()
    }


def _own(config: Config) -> dict[str, list[str]]:
    """The keys of the experiment, by kind; a member is a variant of the router ``single``."""
    order = listed(config)
    return {
        "dataset": list(order.datasets),
        "scenario": list(order.scenarios),
        "pool": list(order.pools),
        "router": [*order.routers, *config.experiment.references],
        "variant": list(unique(member for pool in order.pools for member in config.pool[pool].members)),
    }
