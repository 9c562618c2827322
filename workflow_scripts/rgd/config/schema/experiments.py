"""config/experiment: what is swept, and what is made of it."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from rgd.config.schema.base import Key, Section, Seed


class Interval(Section):
    level: float = Field(0.95, gt=0, lt=1, description="Confidence level.")
    draws: int = Field(2000, ge=100, description="Bootstrap draws.")
    seed: Seed = Field(0, description="Seed of the bootstrap.")


class Exclusion(Section):
    """A part of the sweep that is left out. A key that is null matches everything."""

    dataset: Key | None = None
    scenario: Key | None = None
    pool: Key | None = None
    router: Key | None = None
    reason: str = Field(min_length=1, description="Shown in the tables in place of the result.")


class Referee(Section):
    """A stronger member whose answers judge labels: those of generators, and itself by the benchmark's."""

    member: Key = Field(description="The member that is asked; it need not be in a pool.")
    draws: int = Field(3, ge=1, description="How often each query is asked; the majority counts.")
    scenarios: list[Key] | None = Field(
        None, description="Generated scenarios whose labels are judged; null: those without a suffix."
    )


class Leaks(Section):
    threshold: float = Field(
        0.95, gt=0, le=1, description="Cosine similarity from which a text counts as near a test question."
    )


class Shift(Section):
    queries: int = Field(1000, ge=2, description="Most queries of each side, drawn with the seed.")
    permutations: int = Field(999, ge=1, description="Permutations for the p-value.")
    seed: Seed = Field(0, description="Seed of the drawn queries and of the permutations.")


class LearningCurve(Section):
    """Routers fitted on nested subsets of a scenario's queries. A list that is null takes all of the experiment's."""

    sizes: list[Annotated[int, Field(ge=2)]] = Field(
        min_length=1,
        description="Training queries; the whole set comes besides, and larger sizes than it do not count.",
    )
    routers: list[Key] | None = Field(None, description="Routers of the experiment that learn from queries.")
    scenarios: list[Key] | None = Field(None, description="Scenarios of the experiment.")


class DropOne(Section):
    """Pools without each of their members in turn. A list that is null takes all of the experiment's."""

    routers: list[Key] | None = Field(None, description="Routers of the experiment.")
    scenarios: list[Key] | None = Field(None, description="Scenarios of the experiment.")


class StandsFor(Section):
    """The paper's keys of what has others in this experiment, so that its figures stand beside the published ones."""

    dataset: dict[Key, Key] = Field(default_factory=dict, description="Of datasets.")
    generator: dict[Key, Key] = Field(
        default_factory=dict, description="Of generators, in scenarios with suffixes too."
    )
    pool: dict[Key, Key] = Field(default_factory=dict, description="Of pools, in filtered scenarios too.")
    router: dict[Key, Key] = Field(default_factory=dict, description="Of routers.")
    member: dict[Key, Key] = Field(default_factory=dict, description="Of members of pools.")


class FurtherSweep(Section):
    """A further product of an experiment, such as an ablation. A list that is left out is the experiment's own."""

    datasets: list[Key] | None = Field(None, min_length=1, description="Files of config/dataset.")
    scenarios: list[Key] | None = Field(
        None, min_length=1, description="`real`, and generators with or without suffixes."
    )
    pools: list[Key] | None = Field(None, min_length=1, description="Files of config/pool.")
    routers: list[Key] | None = Field(None, min_length=1, description="Files of config/router.")

    @model_validator(mode="after")
    def _differs_from_the_experiment(self) -> "FurtherSweep":
        if not self.model_fields_set:
            raise ValueError("it repeats the whole experiment: name datasets, scenarios, pools or routers of its own")
        return self


class Experiment(Section):
    """config/experiment/EXPERIMENT.yaml: which cells are made and what is drawn from them."""

    title: str = Field(description="Name in reports.")
    datasets: list[Key] = Field(min_length=1, description="Files of config/dataset.")
    scenarios: list[Key] = Field(min_length=1, description="`real`, and generators with or without suffixes.")
    pools: list[Key] = Field(min_length=1, description="Files of config/pool.")
    routers: list[Key] = Field(min_length=1, description="Files of config/router.")
    also: list[FurtherSweep] = Field(
        default_factory=list,
        description="Further products of datasets, scenarios, pools and routers; a cell is made once.",
    )
    seeds: list[Seed] = Field(min_length=1, description="Each seed is a split and a fit of its own.")
    references: list[Literal["oracle", "random"]] = Field(
        default=["oracle", "random"], description="Computed bounds beside the routers."
    )
    interval: Interval = Field(default_factory=lambda: Interval(), description="Of every cell's accuracy.")
    baseline: Key = Field(
        "topk", description="The router that tables compare the others with; one of the experiment's own."
    )
    exclude: list[Exclusion] = Field(default_factory=list, description="Parts of the sweep that are left out.")
    referee: Referee | None = Field(None, description="Who judges labels; null: nobody.")
    leaks: Leaks = Field(default_factory=lambda: Leaks(), description="Of the leak check.")
    shift: Shift = Field(
        default_factory=lambda: Shift(), description="Of the distance between generated and real queries."
    )
    learning_curve: LearningCurve | None = Field(None, description="Routers on fewer queries; null: none.")
    drop_one: DropOne | None = Field(None, description="Pools without a member; null: none.")
    stands_for: StandsFor = Field(
        default_factory=lambda: StandsFor(), description="What is called otherwise than in the paper."
    )
    tables: list[
        Literal[
            "accuracy",
            "comparisons",
            "costs",
            "choices",
            "tasks",
            "benchmark_routing",
            "generation",
            "audit",
            "ranking_transfer",
            "label_quality",
            "generator_diagnostics",
            "diagnostics",
            "leaks",
            "shift",
            "learning_curve",
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
    ] = Field(default=["accuracy"], description="Tables under results/tables/EXPERIMENT; table_N is the paper's.")
    figures: list[Literal["accuracy", "queries", "cost", "learning_curve"]] = Field(
        default=[], description="Figures under results/figures/EXPERIMENT."
    )
    report: bool = Field(
        False,
        description="Whether results/reports/EXPERIMENT/report.html is made with everything else; it is a target anyway.",
    )
    bundles: list[Key] = Field(
        default=[],
        description="Routers of the experiment that become bundles, which route alone: results/bundles/D/S/P/R, for every dataset, "
        "scenario and pool, each with the first seed.",
    )
