"""What an experiment says of its analyses: which cells they need, and one message for each mistake."""

import shutil
from pathlib import Path

import pytest
import yaml

from rgd.config import analyses, load, slices, sweep
from rgd.config.schema import Config
from rgd.config.schema.models import Api
from rgd.errors import UserError
from rgd.routing.reduced import whole_pool, whole_scenario
from tests import ROOT

# Composes whole configurations: seconds a test.
pytestmark = [pytest.mark.slow, pytest.mark.ci]

CONFIG = ROOT / "config"
STRONG, WEAK = "qwen2.5-coder-1.5b", "qwen2.5-coder-0.5b"
MEMBER = "qwen2.5-coder-1.5b-examples"
REFEREE = {"member": MEMBER, "draws": 3}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CONFIG, tmp_path / "config"))


def experiment(folder: Path, **changes: object) -> Config:
    file = folder / "experiment/quickstart.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | changes, sort_keys=False))
    return load(folder)


def test_the_learning_curve_has_every_size_of_every_router_that_learns(folder: Path) -> None:
    config = experiment(folder, learning_curve={"sizes": [100, 20], "scenarios": ["real", WEAK]})
    cells = sweep.learning_curve_cells(config)
    learn = {"latent_truth", "cascal", "smoothie", "cascal_gt", "avengers", "knn"}
    assert {cell.router for cell in cells} == learn
    found = {whole_scenario(cell.scenario) for cell in cells}
    assert found == {(name, size) for name in ("real", WEAK) for size in (None, 20, 100)}
    assert len(cells) == len(set(cells)) == len(learn) * 6
    assert all(sweep.query_set(cell.scenario) in ("benchmark", WEAK) for cell in cells)


def test_every_member_is_dropped_once_for_every_chosen_router(folder: Path) -> None:
    config = experiment(folder, drop_one={"routers": ["cascal", "topk"], "scenarios": ["real"]})
    cells = sweep.drop_one_cells(config)
    assert {whole_pool(cell.pool)[1] for cell in cells} == {None, *config.pool["quickstart"].members}
    assert len(cells) == 2 * 7


def test_an_excluded_cell_has_no_reduced_ones(folder: Path) -> None:
    config = experiment(
        folder,
        learning_curve={"sizes": [20]},
        exclude=[{"router": "cascal", "scenario": WEAK, "reason": "too dear"}],
    )
    cells = [cell for cell in sweep.learning_curve_cells(config) if cell.router == "cascal"]
    assert {whole_scenario(cell.scenario)[0] for cell in cells} == {"real", STRONG}


def test_the_referee_judges_what_has_no_suffix_unless_it_is_named(folder: Path) -> None:
    scenarios = ["real", STRONG, f"{STRONG}-human", WEAK]
    config = experiment(folder, scenarios=scenarios, referee=REFEREE)
    assert sweep.judged(config) == [("quickstart", name) for name in ("benchmark", STRONG, WEAK)]
    config = experiment(folder, scenarios=scenarios, referee=REFEREE | {"scenarios": [f"{STRONG}-human"]})
    assert sweep.judged(config) == [("quickstart", name) for name in ("benchmark", f"{STRONG}-human")]
    assert sweep.judged(experiment(folder, scenarios=["real"], referee=REFEREE)) == []
    assert sweep.judged(experiment(folder, scenarios=scenarios, referee=None)) == []


def test_keys_stand_for_the_papers_in_suffixes_too(folder: Path) -> None:
    config = experiment(
        folder,
        scenarios=["real", WEAK, f"{WEAK}-human"],
        stands_for={"generator": {WEAK: "exaone-3.5-7.8b"}, "pool": {"quickstart": "large"}},
    )
    names = analyses.names_in_paper(config)
    assert names["scenario"] == {WEAK: "exaone-3.5-7.8b", f"{WEAK}-human": "exaone-3.5-7.8b-human"}
    assert names["pool"] == {"quickstart": "large"}
    titles = analyses.published_titles(config, {"scenario": {WEAK: "Weak"}, "dataset": {}, "pool": {}})
    assert titles["scenario"] == {"exaone-3.5-7.8b": "Weak"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tables": ["learning_curve"]}, "learning_curve.*null"),
        ({"figures": ["learning_curve"]}, "learning_curve.*null"),
        ({"tables": ["drop_one"]}, "drop_one.*null"),
        ({"referee": {"member": "qwen2.5-coder-1.5b"}}, r"referee\.member.*qwen2\.5-coder-1\.5b-examples"),
        ({"referee": REFEREE | {"scenarios": ["real"]}}, r"referee\.scenarios.*real"),
        ({"learning_curve": {"sizes": []}}, r"learning_curve\.sizes"),
        ({"learning_curve": {"sizes": [10], "routers": ["cascall"]}}, r"learning_curve\.routers.*cascall.*\bcascal\b"),
        ({"drop_one": {"scenarios": ["reel"]}}, r"drop_one\.scenarios.*reel"),
        ({"stands_for": {"router": {"cascalll": "cascal"}}}, r"stands_for\.router.*cascalll"),
        ({"stands_for": {"router": {"smoothie": "cascal"}}}, "stands_for.*smoothie.*cascal"),
        ({"tables": ["table_4"]}, "tables"),
        ({"costs": {"prices": {f"{MEMBER}s": {"call": 1}}}}, rf"costs\.prices.*{MEMBER}s.*{MEMBER}\b"),
        ({"costs": {"prices": {MEMBER: {"call": -1}}}}, rf"costs\.prices.*{MEMBER}.*call"),
        ({"costs": {"cheapest": 300}}, "costs.*cheapest.*dearest"),
        ({"costs": {"unit": "euros"}}, r"costs\.unit.*euros"),
    ],
)
def test_a_mistake_has_one_message_that_names_the_file(folder: Path, changes: dict[str, object], said: str) -> None:
    with pytest.raises(UserError, match=rf"experiment/quickstart\.yaml: .*{said}"):
        experiment(folder, **changes)


def test_a_pool_of_two_has_nobody_to_spare(folder: Path) -> None:
    file = folder / "pool/quickstart.yaml"
    content = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump(content | {"members": content["members"][:2]}, sort_keys=False))
    with pytest.raises(UserError, match=r"drop_one.*quickstart"):
        experiment(folder, drop_one={})


@pytest.mark.parametrize(
    ("router", "changes", "said"),
    [
        (
            "latent_truth",
            {"price": "dollars"},
            r"price = dollars.*smollm2-135m-examples.*api\.price_prompt",
        ),
        ("latent_truth", {"price": "seconds"}, r"price = seconds.*answers_per_minute.*prices\."),
        ("latent_truth", {"prices": {f"{MEMBER}s": 1}}, rf"prices.*{MEMBER}s.*{MEMBER}\b"),
        ("cascal", {"price": "tokens"}, "cascal.*price"),
        ("cascal", {"prices": {MEMBER: 1}}, "cascal.*prices"),
    ],
)
def test_prices_of_calls_are_known_and_of_use(folder: Path, router: str, changes: dict[str, object], said: str) -> None:
    file = folder / f"router/{router}.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | changes, sort_keys=False))
    with pytest.raises(UserError, match=rf"router/{router}\.yaml: .*{said}"):
        load(folder)


def test_the_prices_of_costs_are_the_experiments_before_the_models(folder: Path) -> None:
    api = Api(model="m", base_url="http://127.0.0.1:9/v1", price_prompt=2.0, price_completion=8.0)

    def with_prices(config: Config) -> Config:
        name = "qwen2.5-coder-1.5b"
        priced = config.model[name].model_copy(update={"api": api})
        return config.model_copy(update={"model": {**config.model, name: priced}})

    of_model = slices.costs(with_prices(load(folder)))["prices"]
    assert of_model[MEMBER] == pytest.approx([0.0, 2e-6, 8e-6])
    assert None in of_model.values()
    config = with_prices(experiment(folder, costs={"prices": {MEMBER: {"call": 0.5, "completion": 1.0}}}))
    assert slices.costs(config)["prices"] == of_model | {MEMBER: pytest.approx([0.5, 0.0, 1e-6])}


def test_prices_given_for_all_members_are_enough(folder: Path) -> None:
    file, pool = folder / "router/latent_truth.yaml", yaml.safe_load((folder / "pool/quickstart.yaml").read_text())
    prices = {"price": "dollars", "prices": dict.fromkeys(pool["members"], 0.25)}
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | prices, sort_keys=False))
    found = slices.fitting(load(folder), "latent_truth", pool["members"][:2])
    assert found["prices"] == {"call": [0.25, 0.25], "prompt": [0.0, 0.0], "completion": [0.0, 0.0]}
