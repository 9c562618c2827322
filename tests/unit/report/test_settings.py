"""Which figures the page of an experiment shows."""

import re

import pytest

from rgd.config import load
from rgd.report.page import files
from rgd.report.settings import in_a_sentence, settings
from rgd.routers import methods
from tests import ROOT


@pytest.mark.parametrize(
    ("experiment", "overrides", "figures"),
    [
        ("quickstart", ["experiment.figures=[accuracy,queries]"], [["accuracy", ""], ["queries", "quickstart"]]),
        ("quickstart", ["experiment.figures=[]"], [["queries_of_quickstart", "quickstart"]]),
        ("own", [], [["queries_of_own", "own"]]),
    ],
)
def test_the_figures_are_those_of_the_experiment_and_a_map_of_each_dataset(
    experiment: str, overrides: list[str], figures: list[list[str]]
) -> None:
    found = settings(load(ROOT / "config", experiment, overrides, check_data=False))
    assert found["figures"] == figures
    assert set(files(found)) >= {f"figures/{experiment}/{name}.svg" for name, _ in figures}


def test_every_router_is_told_in_a_sentence() -> None:
    for method in methods():
        said = in_a_sentence(method)
        assert said
        assert said[0] == said[0].upper()
        assert not re.search(r"arXiv|``|\.$|^\w+-\w+:", said), said
    found = settings(load(ROOT / "config", "quickstart", check_data=False))
    assert list(found["words"]) == list(found["routers"])
