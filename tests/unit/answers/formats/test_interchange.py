"""Real files of other tools, whole: the counts and accuracies that a correct import gives."""

import os
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
import pytest

from rgd.answers.formats.importing import import_files
from rgd.errors import UserError

ROOT = Path(__file__).parents[4]
FILES = Path(os.environ.get("RGD_TEST_DATA", ROOT.parent / "shared" / "data")) / "interchange"

pytestmark = pytest.mark.skipif(not FILES.is_dir(), reason="the files of other tools are not here")


class Expected(NamedTuple):
    """What one model has: answered questions, right ones or the sum of scores, and joined questions."""

    answered: int
    right: float
    joined: int


SAMPLES: dict[str, tuple[str, list[str], dict[str, Expected]]] = {
    "copa": (
        "lm_eval",
        ["lm_eval/copa_loglikelihood"],
        {
            "sshleifer__tiny-gpt2": Expected(20, 12, 20),
            "hf-internal-testing__tiny-random-gpt2": Expected(20, 16, 20),
        },
    ),
    "winogrande": (
        "lm_eval",
        ["lm_eval/winogrande_generate"],
        {
            "gpt-4o": Expected(3, 3, 10),
            "upstage__SOLAR-10.7B-Instruct-v1.0": Expected(10, 8, 10),
            "LGAI-EXAONE__EXAONE-3.0-7.8B-Instruct": Expected(0, 0, 10),
        },
    ),
    "ko_winogrande": (
        "lm_eval",
        ["lm_eval/ko_winogrande_generate"],
        {
            "meta-llama__Llama-3.1-8B-Instruct": Expected(10, 5, 10),
            "upstage__SOLAR-10.7B-Instruct-v1.0": Expected(10, 8, 10),
        },
    ),
    "math_perturbed": (
        "lm_eval",
        ["lm_eval/math_perturbed_generate"],
        {"RylanSchaeffer__mem_Qwen3-93M_minerva_math_rep_0_sbst_1.0000_epch_1_ot_1": Expected(0, 0, 10)},
    ),
    "kmmlu": (
        "openai_batch",
        ["openai_batch/kmmlu_criminal_law"],
        {"gpt-4o-mini-2024-07-18": Expected(98, 42, 101)},
    ),
    "arc": (
        "inspect",
        ["inspect_ai/data_arc_qwen.json", "inspect_ai/data_arc_sonnet.json"],
        {"ollama__qwen2.5-0.5b": Expected(3, 1, 3), "anthropic__claude-sonnet-4-0": Expected(5, 5, 5)},
    ),
    "pubmedqa": (
        "inspect",
        ["inspect_ai/data_pubmedqa_gpt4o_mini.json"],
        {"openai__azure__gpt-4o-mini": Expected(2, 2, 2)},
    ),
    "eval_with_choices": ("inspect", ["inspect_ai/mmlu-summary-choices.eval"], {"openai__gpt-4o": Expected(1, 0, 1)}),
    "eval_without_choices": (
        "inspect",
        ["inspect_ai/mmlu-no-summary-choices.eval"],
        {"openai__gpt-4o": Expected(1, 0, 1)},
    ),
    "helm": (
        "helm",
        ["helm"],
        {"openai__gpt2": Expected(10, 1, 10), "eleutherai__pythia-1b-v0": Expected(10, 3, 10)},
    ),
    "llmrouterbench": (
        "llmrouterbench",
        ["llmrouterbench_layout"],
        {"gemini-2.0-flash-001": Expected(59, 49, 60), "claude-3-haiku-20240307": Expected(60, 37, 60)},
    ),
    "routellm_algebra": (
        "routellm",
        ["routellm/mmlu_abstract_algebra.csv"],
        {"mistralai__Mixtral-8x7B-Instruct-v0.1": Expected(0, 16, 54), "gpt-4-1106-preview": Expected(0, 25, 54)},
    ),
    "routellm_accounting": (
        "routellm",
        ["routellm/mmlu_professional_accounting.csv"],
        {"mistralai__Mixtral-8x7B-Instruct-v0.1": Expected(0, 76, 141), "gpt-4-1106-preview": Expected(0, 96, 141)},
    ),
    "opencompass": (
        "opencompass",
        ["opencompass"],
        {
            "GPT4": Expected(60, 41, 60),
            "llama-2-13b-chat": Expected(42, 9, 60),
            "qwen-7b-chat-hf": Expected(25, 10, 60),
        },
    ),
}


def rows(folder: Path, dataset: str, model: str) -> list[dict[str, Any]]:
    return pq.read_table(folder / "recorded" / dataset / "all" / f"{model}.parquet").to_pylist()


def questions(folder: Path, dataset: str) -> dict[str, dict[str, Any]]:
    table = pq.read_table(folder / "hub" / "imported" / dataset / "questions.parquet")
    return {row["question_id"]: row for row in table.to_pylist()}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_file_gives_the_counts_and_accuracies_that_it_has(name: str, tmp_path: Path) -> None:
    source, files, expected = SAMPLES[name]
    imported = import_files(source, [FILES / file for file in files], tmp_path)
    found = {
        model: Expected(counts.answered, round(counts.right, 6), counts.joined)
        for model, counts in imported.models.items()
    }
    assert found == expected
    for model, counts in imported.models.items():
        assert counts.accuracy == pytest.approx(expected[model].right / expected[model].joined)
        written = rows(tmp_path, source, model)
        assert sum(row["answer"] is not None for row in written) == expected[model].answered
        assert {row["question_id"] for row in written} <= set(questions(tmp_path, source))


@pytest.mark.parametrize("name", ["copa", "winogrande", "ko_winogrande", "arc", "helm", "kmmlu"])
def test_letters_and_labels_give_the_accuracy_of_the_scores(name: str, tmp_path: Path) -> None:
    """The right answers are read by their own rules, so a shift of the letters would show."""
    source, files, expected = SAMPLES[name]
    import_files(source, [FILES / file for file in files], tmp_path)
    known = questions(tmp_path, source)
    assert all(row["answer"] is not None and row["options"] for row in known.values())
    for model, counts in expected.items():
        right = sum(row["answer"] == known[row["question_id"]]["answer"] for row in rows(tmp_path, source, model))
        assert right == counts.right


def test_mathematics_is_kept_without_options(tmp_path: Path) -> None:
    imported = import_files("lm_eval", [FILES / "lm_eval/math_hard_generate"], tmp_path)
    (counts,) = imported.models.values()
    assert (counts.joined, counts.scored, counts.accuracy) == (25, 25, 0)
    assert counts.answered >= 19
    assert not any(row["options"] for row in questions(tmp_path, "lm_eval").values())


def test_failed_calls_are_counted_and_are_no_answers(tmp_path: Path) -> None:
    imported = import_files("openai_batch", [FILES / "openai_batch/kmmlu_criminal_law"], tmp_path)
    (counts,) = imported.models.values()
    assert (counts.failed, counts.unreadable, counts.unmatched) == (3, 0, 0)


def test_a_batch_joins_its_input_and_a_rewriting_has_no_answer(tmp_path: Path) -> None:
    files = [FILES / "openai_batch/with_input"]
    with pytest.raises(UserError, match=r"gpt-4-turbo-2024-04-09.*--allow-empty"):
        import_files("openai_batch", files, tmp_path / "refused")
    assert not (tmp_path / "refused").exists()
    imported = import_files("openai_batch", files, tmp_path, allow_empty=True)
    counts = imported.models["gpt-4-turbo-2024-04-09"]
    assert (counts.read, counts.joined, counts.answered, counts.unreadable) == (10, 10, 0, 10)


def test_routerarena_has_options_mathematics_scores_and_costs(tmp_path: Path) -> None:
    imported = import_files("routerarena", [FILES / "routerarena"], tmp_path)
    assert imported.datasets == {"routerarena": 103, "routerarena_free": 7}
    assert imported.shared == 110
    known = questions(tmp_path, "routerarena")
    assert all(row["answer"] is not None for row in known.values())
    for model, score, right, answered, cost in (
        ("gemini-2.0-flash-001", 83, 83, 102, 0.0053),
        ("claude-3-haiku-20240307", 57, 58, 103, 0.0169),
    ):
        with_options, free = rows(tmp_path, "routerarena", model), rows(tmp_path, "routerarena_free", model)
        assert sum(row["score"] for row in with_options) == score
        assert sum(row["answer"] == known[row["question_id"]]["answer"] for row in with_options) == right
        assert sum(row["answer"] is not None for row in with_options) == answered
        assert sum(row["cost"] for row in [*with_options, *free]) == pytest.approx(cost, abs=5e-5)


def test_an_empty_prediction_is_no_answer(tmp_path: Path) -> None:
    import_files("llmrouterbench", [FILES / "llmrouterbench_layout"], tmp_path)
    known = questions(tmp_path, "llmrouterbench")
    assert sum(row["answer"] is None for row in rows(tmp_path, "llmrouterbench", "gemini-2.0-flash-001")) == 1
    assert all(row["answer"] is not None for row in known.values())


@pytest.mark.parametrize(
    ("file", "count", "means"),
    [
        ("arc_challenge_test.csv", 40, {"gpt-4-1106-preview": 0.975, "claude-v2": 0.55}),
        ("winograde_test.csv", 20, {}),
    ],
)
def test_routerbench_gives_scores_and_the_letters_of_those_that_were_right(
    file: str, count: int, means: dict[str, float], tmp_path: Path
) -> None:
    imported = import_files("routerbench", [FILES / "routerbench" / file], tmp_path)
    assert len(imported.models) == 11
    known = questions(tmp_path, "routerbench")
    assert len(known) == count
    assert not any("Print only" in row["question"] for row in known.values())
    for model, mean in means.items():
        assert imported.models[model].accuracy == pytest.approx(mean)
    right = [
        (row["score"] == 1) == (row["answer"] == known[row["question_id"]]["answer"])
        for model in imported.models
        for row in rows(tmp_path, "routerbench", model)
        if row["answer"] is not None and known[row["question_id"]]["answer"] is not None
    ]
    assert len(right) > 9 * count
    assert sum(right) / len(right) > 0.95


def test_a_log_probability_of_zero_throughout_is_unknown(tmp_path: Path) -> None:
    imported = import_files("helm", [FILES / "helm"], tmp_path)
    for model in imported.models:
        assert all(row["mean_log_probability"] is None for row in rows(tmp_path, "helm", model))


def test_a_logged_call_that_is_no_question_keeps_its_cost(tmp_path: Path) -> None:
    file = FILES / "litellm/standard_logging_payload.json"
    with pytest.raises(UserError, match="--allow-empty"):
        import_files("litellm", [file], tmp_path / "refused")
    import_files("litellm", [file], tmp_path, allow_empty=True)
    (row,) = rows(tmp_path, "litellm", "gpt-4o")
    assert row["cost"] == pytest.approx(0.000225)
    assert (row["prompt_tokens"], row["completion_tokens"], row["answer"]) == (10, 20, None)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_same_import_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    source, files, _ = SAMPLES[name]
    for target in ("one", "two"):
        import_files(source, [FILES / file for file in files], tmp_path / target)
    written = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert written
    assert all((tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes() for path in written)
