"""The table of docs/cluster.md says what the code computes."""

import pytest

from rgd.config import load
from rgd.config.members import members
from rgd.config.schema import Model
from rgd.workflow import run_times
from tests import ROOT

PAGE = ROOT / "docs/cluster.md"
ANSWERS, PROMPT_TOKENS = 240_000, 350
CONFIG = load(ROOT / "config")
MODELS = sorted(
    {members(CONFIG)[member].model_name for pool in ("small", "large") for member in CONFIG.pool[pool].members},
    key=lambda name: CONFIG.model[name].parameters_billion or 0,
)


def row(name: str, model: Model) -> str:
    """A line of the table: size, GPUs, answers per minute, GPU hours."""
    size = f"{model.parameters_billion:.3g}"
    if model.parameters_active_billion is not None:
        size += f", {model.parameters_active_billion:.3g} of them active"
    seconds = run_times.answer_s(model, "generate", run_times.Lengths(PROMPT_TOKENS, run_times.ANSWER_TOKENS))
    hours = model.gpus * (run_times.loading_s(model) + ANSWERS * seconds) / 3600
    return f"| {name} | {size} | {model.gpus} | {60 / seconds:,.0f} | {hours:.1f} |"


@pytest.mark.parametrize("name", MODELS)
def test_a_row_of_the_table_is_what_the_code_computes(name: str) -> None:
    assert row(name, CONFIG.model[name]) in PAGE.read_text(encoding="utf-8").splitlines()


def test_the_table_has_no_other_row() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("GPU hours for 240,000 answers |\n")[2].partition("\n\n")[0]
    assert len(table.splitlines()) == 1 + len(MODELS) == 13
