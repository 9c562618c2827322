"""The file and key that a person would edit, of values in rules' parameters."""

from functools import cache

import pytest

from rgd.config import load
from rgd.config.origins import model_named, origin
from rgd.config.schema import Config

pytestmark = [pytest.mark.slow, pytest.mark.ci]

CELL = {"dataset": "quickstart", "scenario": "real", "pool": "quickstart", "router": "cascal"}
ASKED = {"dataset": "quickstart", "query_set": "benchmark", "member": "qwen2.5-coder-1.5b-examples"}
DRAWN = {"dataset": "quickstart", "drawn": "qwen2.5-coder-0.5b"}


@cache
def config(*overrides: str) -> Config:
    return load("config", "quickstart", overrides)


@pytest.mark.parametrize(
    ("rule", "wildcards", "parameter", "path", "expected"),
    [
        # Each group of the configuration.
        ("fit", CELL, "slice", ("parameters", "k_max"), "config/router/cascal.yaml: parameters.k_max"),
        ("bundle", CELL, "slice", ("parameters", "k_max"), "config/router/cascal.yaml: parameters.k_max"),
        ("queries_to_label", CELL, "slice", ("parameters", "k_max"), "config/router/cascal.yaml: parameters.k_max"),
        ("revealed_labels", CELL, "slice", ("labels",), "config/router/cascal.yaml: labels"),
        (
            "diagnostics_table",
            {"experiment": "quickstart"},
            "slice",
            ("routers", "cascal", "parameters", "k_max"),
            "config/router/cascal.yaml: parameters.k_max",
        ),
        (
            "report_page",
            {"experiment": "quickstart"},
            "slice",
            ("routers", "cascal", "variants", "top3"),
            "config/router/cascal.yaml: variants.top3",
        ),
        ("ask_answers", ASKED, "settings", ("dtype",), "config/model/qwen2.5-coder-1.5b.yaml: dtype"),
        (
            "ask_answers",
            ASKED,
            "settings",
            ("sampling", "temperature"),
            "config/model/qwen2.5-coder-1.5b.yaml: sampling.temperature",
        ),
        ("ask_answers", ASKED, "settings", ("prompt",), "config/prompts/ask_examples.txt"),
        ("read_answers", ASKED, "reader", (), "config/model/qwen2.5-coder-1.5b.yaml: asks.examples.reader"),
        (
            "audit_table",
            {"experiment": "quickstart"},
            "members",
            ("qwen2.5-coder-1.5b-examples", "letter", "dtype"),
            "config/model/qwen2.5-coder-1.5b.yaml: dtype",
        ),
        (
            "bundle",
            CELL,
            "members",
            ("qwen2.5-coder-1.5b-examples", "asked", "prompt"),
            "config/prompts/ask_examples.txt",
        ),
        ("ask_queries", DRAWN, "settings", ("sampling", "seed"), "config/generator/qwen2.5-coder-0.5b.yaml: seed"),
        (
            "ask_queries",
            DRAWN,
            "settings",
            ("prompt", "instruction"),
            "config/prompts/generate_instruction.txt",
        ),
        ("ask_queries", DRAWN, "slice", ("queries",), "config/dataset/quickstart.yaml: generated_queries"),
        ("read_queries", DRAWN, "slice", ("seed",), "config/generator/qwen2.5-coder-0.5b.yaml: seed"),
        (
            "filtered_questions",
            DRAWN | {"pool": "quickstart"},
            "slice",
            ("min_votes",),
            "config/config.yaml: min_votes",
        ),
        ("embed_questions", CELL, "slice", ("max_model_len",), "config/embedder/all-minilm-l6-v2.yaml: max_model_len"),
        (
            "bundle",
            CELL,
            "slice",
            ("embedder", "max_model_len"),
            "config/embedder/all-minilm-l6-v2.yaml: max_model_len",
        ),
        (
            "read_features",
            {"featurizer": "qwen2.5-coder-1.5b"},
            "settings",
            ("sampling", "seed"),
            "config/featurizer/qwen2.5-coder-1.5b.yaml: seed",
        ),
        ("splits", CELL, "slice", ("train_share",), "config/dataset/quickstart.yaml: train_share"),
        ("splits", CELL, "slice", ("seeds",), "config/experiment/quickstart.yaml: seeds"),
        ("described_questions", CELL, "slice", ("seeds",), "config/experiment/quickstart.yaml: seeds"),
        ("fetch_questions", CELL, "identity", ("revision",), "config/dataset/quickstart.yaml: source.revision"),
        ("equal_answers", CELL, "comparing", ("tolerance", "absolute"), "config/dataset/quickstart.yaml: answer_tolerance.absolute"),
        ("train", CELL | {"pool": "quickstart@without-smollm2-135m-examples"}, "members", (), "config/pool/quickstart.yaml: members"),
        ("neighbours", CELL, "slice", (), "config/config.yaml: neighbours"),
        ("score", CELL, "slice", ("draws",), "config/experiment/quickstart.yaml: interval.draws"),
        ("cost_table", CELL, "slice", ("beta",), "config/experiment/quickstart.yaml: costs.beta"),
        ("cost_table", CELL, "slice", ("draws",), "config/experiment/quickstart.yaml: interval.draws"),
        ("leak_table", CELL, "slice", ("threshold",), "config/experiment/quickstart.yaml: leaks.threshold"),
        ("shift", CELL, "slice", ("queries",), "config/experiment/quickstart.yaml: shift.queries"),
        ("shift_table", CELL, "slice", ("queries",), "config/experiment/quickstart.yaml: shift.queries"),
        ("comparison_table", CELL, "level", (), "config/experiment/quickstart.yaml: interval.level"),
        ("leaderboard_table", CELL, "title", (), "config/experiment/quickstart.yaml: title"),
        ("read_referee", ASKED, "draws", (), "config/experiment/quickstart.yaml: referee.draws"),
        (
            "cost_table",
            {},
            "titles",
            ("scenario", "qwen2.5-coder-0.5b-short"),
            "config/generator/qwen2.5-coder-0.5b.yaml: title",
        ),
        ("label_budget_table", {}, "slice", ("labels", "latent_truth"), "config/router/latent_truth.yaml: labels"),
    ],
)  # fmt: skip
def test_a_value_is_named_by_the_file_in_which_it_stands(
    rule: str, wildcards: dict[str, str], parameter: str, path: tuple[str, ...], expected: str
) -> None:
    assert origin(config(), rule, wildcards, parameter, path) == expected


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("router.cascal.k_max=7", "router.cascal.parameters.k_max"),
        ("router.cascal.parameters={k_max: 7}", "router.cascal.parameters"),
    ],
)
def test_a_value_that_the_command_line_sets_is_named_as_there(override: str, key: str) -> None:
    given = config(override)
    assert origin(given, "fit", CELL, "slice", ("parameters", "k_max")) == f"--config overrides: {key}"
    if key.endswith("k_max"):
        assert origin(given, "fit", CELL, "slice", ("parameters", "k_min")).startswith("config/router/cascal.yaml")
    other = CELL | {"router": "cascal_gt"}
    assert origin(given, "fit", other, "slice", ("parameters", "k_max")).startswith("config/router/cascal_gt.yaml")


@pytest.mark.parametrize(
    ("override", "rule", "parameter", "path"),
    [
        ("experiment.seeds=[4]", "splits", "slice", ("seeds",)),
        ("neighbours=9", "neighbours", "slice", ()),
        ("model.qwen2.5-coder-1.5b.dtype=float32", "ask_answers", "settings", ("dtype",)),
    ],
)
def test_any_group_can_be_set_on_the_command_line(
    override: str, rule: str, parameter: str, path: tuple[str, ...]
) -> None:
    where = origin(config(override), rule, CELL | ASKED, parameter, path)
    assert where == f"--config overrides: {override.partition('=')[0]}"


def test_the_key_that_chooses_a_model_is_known() -> None:
    assert model_named(config(), "embed_questions", CELL, "slice") == (
        "config/dataset/quickstart.yaml: embedder",
        "embedder",
        "all-minilm-l6-v2",
    )
    assert model_named(config(), "ask_queries", DRAWN, "settings") == (
        "config/generator/qwen2.5-coder-0.5b.yaml: model",
        "model",
        "qwen2.5-coder-0.5b",
    )
    assert model_named(config(), "ask_answers", ASKED, "settings") is None
