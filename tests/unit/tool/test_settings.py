"""What of the configuration a bundle holds, and which routers cannot be one."""

import re
from pathlib import Path

import pytest

from rgd.config import load
from rgd.config.schema import Config
from rgd.config.sweep import Cell
from rgd.errors import UserError
from rgd.tool import settings
from rgd.tool.manifest import Member
from tests import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.ci]

CONFIG = ROOT / "config"


@pytest.fixture(scope="module")
def config() -> Config:
    return load(CONFIG, "paper_tiny", check_data=False)


def cell(router: str, scenario: str = "tiny-weak", pool: str = "large_tiny") -> Cell:
    return Cell("mmlu_pro_tiny", scenario, pool, router)


def test_a_bundle_is_told_how_its_router_routes_and_its_members_are_asked(config: Config) -> None:
    found = settings.routing(config, cell("cascal"))
    assert (found["method"], found["seed"], found["neighbours"]) == ("cascal", 0, 64)
    assert found["variants"] == {"top1": 1, "top3": 3}
    assert found["cell"] == {
        "dataset": "mmlu_pro_tiny",
        "scenario": "tiny-weak",
        "pool": "large_tiny",
        "router": "cascal",
    }
    assert found["embedder"]["dimension"] == config.embedder["tiny"].dimension
    assert settings.routing(config, cell("cascal"), 1)["seed"] == 1
    asked = settings.asking(config, CONFIG, cell("cascal"))
    assert [each["key"] for each in asked] == config.pool["large_tiny"].members
    assert asked[1]["asked"]["way"] == "generate"
    assert "{question}" in asked[1]["asked"]["prompt"]
    assert {each["asked"]["reader"] for each in asked} == {"careful"}
    without = settings.asking(config, CONFIG, cell("cascal", pool="large_tiny@without-tiny-odd"))
    assert [each["key"] for each in without] == [
        name for name in config.pool["large_tiny"].members if name != "tiny-odd"
    ]


def test_recorded_members_cannot_be_asked_and_no_key_is_in_a_bundle(config: Config) -> None:
    recorded = load(CONFIG, "recorded", check_data=False)
    pool = recorded.experiment.pools[0]
    found = settings.asking(recorded, CONFIG, Cell("mmlu_pro_recorded", "real", pool, "cascal"))
    assert {each["asked"] for each in found} == {None}
    assert [each["title"] for each in found] == recorded.pool[pool].members


@pytest.mark.parametrize(
    ("router", "instead"),
    [("llmrank_tiny", "llmrank_query_only"), ("benchmark_s3", "cascal or knn")],
)
def test_a_router_that_needs_more_than_a_querys_vector_is_refused(config: Config, router: str, instead: str) -> None:
    with pytest.raises(UserError, match=rf"\b{router}\b.*{instead}"):
        settings.routing(config, cell(router))


def test_every_name_of_a_path_is_looked_up(config: Config) -> None:
    with pytest.raises(UserError, match=r"\bcascall in config/router\..* cascal\b"):
        settings.check_cell(config, cell("cascall"))
    with pytest.raises(UserError, match=r"\blarge_tin in config/pool\..* large_tiny\b"):
        settings.check_cell(config, cell("cascal", pool="large_tin"))
    assert settings.cell_of(Path("results/routers/a/b/c/d.parquet")) == Cell("a", "b", "c", "d")
    for path in ("d.parquet", "results/routers/a/b/c/d.csv", "results/tables/a/b/c/d.parquet"):
        with pytest.raises(UserError, match=rf"{re.escape(path)} .*results/routers/"):
            settings.cell_of(Path(path))


def test_the_descriptions_are_those_of_the_scenario(config: Config) -> None:
    assert settings.description_variant(config, cell("cascal", "real")) is None
    assert settings.description_variant(config, cell("cascal")) == "default"
    found = settings.paths(config, Cell("bbeh_tiny", "tiny-api-short", "small_tiny", "cascal"))
    assert found["descriptions"] == Path("results/descriptions/bbeh_tiny/short.parquet")
    assert found["questions"] == Path("results/questions/bbeh_tiny/tiny-api-short.parquet")


@pytest.mark.parametrize("kind", [None, "option_text"])
def test_a_bundle_may_say_all_that_it_is_told(config: Config, kind: str | None) -> None:
    dataset = config.dataset["mmlu_pro_tiny"].model_copy(update={"answer_kind": kind})
    given = config.model_copy(update={"dataset": {**config.dataset, "mmlu_pro_tiny": dataset}})
    for each in settings.asking(given, CONFIG, cell("cascal")):
        member = Member.model_validate(each)
        assert member.asked is not None
        assert member.asked.answer_kind == (kind or "letter")
        assert member.asked.reader == "careful"
