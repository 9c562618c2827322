"""config/experiment: the sweep, and the tables and figures made from it."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rgd.config.schema.base import Key, Section, Seed


class Interval(Section):
    level: float = Field(0.95, gt=0, lt=1, description="Confidence level.")
    draws: int = Field(2000, ge=100, description="Number of bootstrap draws.")
    seed: Seed = Field(0, description="Seed of the bootstrap.")


class Exclusion(Section):
    """A part of the sweep to leave out. A null key matches everything."""

    dataset: Key | None = None
    scenario: Key | None = None
    pool: Key | None = None
    router: Key | None = None
    reason: str = Field(min_length=1, description="Shown in tables in place of the result.")


class Referee(Section):
    """A stronger member that judges the generators' labels. It is itself judged by the benchmark's labels."""

    member: Key = Field(description="The member to ask; it need not be in a pool.")
    draws: int = Field(3, ge=1, description="How often each query is asked; the majority answer counts.")
    scenarios: list[Key] | None = Field(
        None, description="Generated scenarios whose labels are judged; null: those without a suffix."
    )


class Leaks(Section):
    threshold: float = Field(
        0.95, gt=0, le=1, description="Minimum cosine similarity for a text to count as nearly a test question."
    )


class Shift(Section):
    queries: int = Field(1000, ge=2, description="Maximum queries on each side, drawn with the seed.")
    permutations: int = Field(999, ge=1, description="Number of permutations for the p-value.")
    seed: Seed = Field(0, description="Seed of the drawn queries and the permutations.")


class LearningCurve(Section):
    """Routers fitted on nested subsets of a scenario's queries. A null list means all of the experiment's."""

    sizes: list[Annotated[int, Field(ge=2)]] = Field(
        min_length=1,
        description="Numbers of training queries. The whole set is always added; larger sizes are ignored.",
    )
    routers: list[Key] | None = Field(None, description="Routers of the experiment that learn from queries.")
    scenarios: list[Key] | None = Field(None, description="Scenarios of the experiment.")


class LabelBudget(Section):
    """Routers that ask for a few labels, beside routers that learn from as many labelled queries. A null list means all."""

    labels: list[Annotated[int, Field(ge=1)]] = Field(min_length=1, description="Numbers of labels.")
    routers: list[Key] | None = Field(None, description="Routers of the experiment whose methods ask for labels.")
    beside: list[Key] | None = Field(
        None,
        description="Routers of the experiment that learn from labels; they are fitted on as many queries, drawn from all tasks "
        "in proportion.",
    )


class DropOne(Section):
    """Pools without each member in turn. A null list means all of the experiment's."""

    routers: list[Key] | None = Field(None, description="Routers of the experiment.")
    scenarios: list[Key] | None = Field(None, description="Scenarios of the experiment.")


class Price(Section):
    """What a member's answers cost, in US dollars."""

    call: float = Field(0.0, ge=0, allow_inf_nan=False, description="For each answer.")
    prompt: float = Field(0.0, ge=0, allow_inf_nan=False, description="For a million prompt tokens.")
    completion: float = Field(0.0, ge=0, allow_inf_nan=False, description="For a million tokens of answers.")


class Costs(Section):
    """Costs in the table `costs` and the figure `pareto`."""

    unit: Literal["dollars", "tokens", "calls"] | None = Field(
        None,
        description="Unit of costs; null: for each pool the first of these in which the costs of all answers are known.",
    )
    prices: dict[Key, Price] = Field(
        default_factory=dict,
        description="Prices of members; the others' are api.price_prompt and api.price_completion in the models' files, or the "
        "costs that recorded members' files have.",
    )
    beta: float = Field(0.1, gt=0, description="Weight of accuracy against cost in the arena score, as in RouterArena.")
    cheapest: float = Field(
        0.0044, gt=0, description="Dollars per 1,000 queries with the highest cost score in the arena score."
    )
    dearest: float = Field(200.0, gt=0, description="Dollars per 1,000 queries with a cost score of 0.")

    @model_validator(mode="after")
    def _cheapest_is_below_dearest(self) -> "Costs":
        if not self.cheapest < self.dearest:
            raise ValueError("cheapest must be below dearest")
        return self


class StandsFor(Section):
    """The paper's names for what has other names in this experiment, so that figures can be compared with the published ones."""

    dataset: dict[Key, Key] = Field(default_factory=dict, description="Names of datasets.")
    generator: dict[Key, Key] = Field(
        default_factory=dict, description="Names of generators, also in scenarios with suffixes."
    )
    pool: dict[Key, Key] = Field(default_factory=dict, description="Names of pools, also in filtered scenarios.")
    router: dict[Key, Key] = Field(default_factory=dict, description="Names of routers.")
    member: dict[Key, Key] = Field(default_factory=dict, description="Names of pool members.")


class FurtherSweep(Section):
    """An additional sweep of an experiment, such as an ablation. A list that is left out is the experiment's own."""

    datasets: list[Key] | None = Field(None, min_length=1, description="Files of config/dataset.")
    scenarios: list[Key] | None = Field(
        None, min_length=1, description="`real`, or generators with or without suffixes."
    )
    pools: list[Key] | None = Field(None, min_length=1, description="Files of config/pool.")
    routers: list[Key] | None = Field(None, min_length=1, description="Files of config/router.")

    @model_validator(mode="after")
    def _differs_from_the_experiment(self) -> "FurtherSweep":
        if not self.model_fields_set:
            raise ValueError(
                "the sweep repeats the whole experiment: give it datasets, scenarios, pools or routers of its own"
            )
        return self


class Experiment(Section):
    """config/experiment/EXPERIMENT.yaml: which cells are computed, and the tables and figures made from them."""

    title: str = Field(description="Name in reports.")
    datasets: list[Key] = Field(min_length=1, description="Files of config/dataset.")
    scenarios: list[Key] = Field(min_length=1, description="`real`, or generators with or without suffixes.")
    pools: list[Key] = Field(min_length=1, description="Files of config/pool.")
    routers: list[Key] = Field(min_length=1, description="Files of config/router.")
    also: list[FurtherSweep] = Field(
        default_factory=list,
        description="Additional sweeps of datasets, scenarios, pools and routers. A cell in several sweeps is computed once.",
    )
    seeds: list[Seed] = Field(min_length=1, description="One split and fit per seed.")
    references: list[Literal["oracle", "random"]] = Field(
        default=["oracle", "random"], description="Reference results shown with the routers."
    )
    interval: Interval = Field(
        default_factory=lambda: Interval(),
        description="Intervals of accuracies; 1 - level is also the false discovery rate of comparisons.",
    )
    baseline: Key = Field(
        "topk", description="The router that tables compare the others with; it must be in the experiment."
    )
    exclude: list[Exclusion] = Field(default_factory=list, description="Parts of the sweep to leave out.")
    referee: Referee | None = Field(None, description="The member that judges labels; null: none.")
    leaks: Leaks = Field(default_factory=lambda: Leaks(), description="Settings of the leak check.")
    shift: Shift = Field(
        default_factory=lambda: Shift(), description="Settings of the distance between generated and real queries."
    )
    learning_curve: LearningCurve | None = Field(None, description="Routers fitted on fewer queries; null: none.")
    label_budget: LabelBudget | None = Field(None, description="Routers with a few labels; null: none.")
    drop_one: DropOne | None = Field(None, description="Pools without one member; null: none.")
    costs: Costs = Field(default_factory=lambda: Costs(), description="Units, prices and scores of costs.")
    stands_for: StandsFor = Field(
        default_factory=lambda: StandsFor(), description="Names that differ from the paper's."
    )
    tables: list[
        Literal[
            "accuracy",
            "comparisons",
            "costs",
            "leaderboard",
            "choices",
            "tasks",
            "benchmark_routing",
            "instance_routing",
            "generation",
            "audit",
            "ranking_transfer",
            "label_quality",
            "generator_diagnostics",
            "diagnostics",
            "leaks",
            "shift",
            "learning_curve",
            "label_budget",
            "drop_one",
            "published",
            "table_1",
            "table_2",
            "table_3",
            "table_5",
            "table_6",
            "table_7",
            "table_8",
            "table_9",
            "table_10",
            "table_11",
            "table_12",
            "table_13",
        ]
    ] = Field(default=["accuracy"], description="Tables in results/tables/EXPERIMENT; table_N is the paper's Table N.")
    figures: list[
        Literal["accuracy", "queries", "cost", "pareto", "learning_curve", "label_budget", "benchmark_routing"]
    ] = Field(default=[], description="Figures in results/figures/EXPERIMENT.")
    report: bool = Field(
        False,
        description="Whether every run makes results/reports/EXPERIMENT/report.html; the target `report` makes it in any case.",
    )
    bundles: list[Key] = Field(
        default=[],
        description="Routers to write as bundles, which route on their own: results/bundles/D/S/P/R for every dataset, scenario "
        "and pool, fitted with the first seed.",
    )
