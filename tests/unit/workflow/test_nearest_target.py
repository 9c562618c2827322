"""The nearest target of a mistyped one."""

import shlex
from pathlib import Path

import pytest

from rgd.cli import main
from rgd.config.command_line import check_settings, configuration
from rgd.config.compose import EXAMPLE
from rgd.errors import UserError
from rgd.workflow.nearest_target import hint
from tests import ROOT

KNOWN = [
    *("questions", "answers", "tables", "report"),
    *("results/questions/mine/benchmark.parquet", "results/cells/mine/real/small/cascal.parquet"),
    "results/cells/mine/real/small/knn.parquet",
]


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("quesions", "questions"),
        ("Tables", "tables"),
        ("results/question/mine/benchmark.parquet", KNOWN[4]),
        ("results/questions/mien/benchmark.parquet", KNOWN[4]),
        ("./results/questions/mine/benchmark.parqet", KNOWN[4]),
        (str(Path("results/questions/mine/benchmrk.parquet").absolute()), KNOWN[4]),
        ("results/cells/mine/real/small/casca.parquet", KNOWN[5]),
        ("results/cells/mine/real/small/kn.parquet", KNOWN[6]),
    ],
)
def test_a_mistyped_target_has_a_nearest_one(typed: str, near: str) -> None:
    assert f" {near}?" in hint(typed, KNOWN)


@pytest.mark.parametrize("typed", ["zzz", "results/zzz", "a/b.txt"])
def test_what_is_like_none_is_told_the_rules(typed: str) -> None:
    told = hint(typed, KNOWN)
    assert "Did you mean" not in told
    assert "questions" in told
    assert "results/" not in told


@pytest.mark.parametrize("setting", ["questions", "results/cells/a.parquet", "experiment", "experiment:mine"])
def test_a_setting_without_a_value_says_where_targets_stand(setting: str) -> None:
    with pytest.raises(UserError) as failure:
        check_settings(["experiment=mine", setting])
    assert setting in str(failure.value)
    assert "before --config" in str(failure.value)


@pytest.mark.parametrize(
    ("setting", "instead"),
    [
        ("neighbours=32", "overrides=neighbours=32"),
        ("router.knn.parameters.k=3", "overrides=router.knn.parameters.k=3"),
        ("paths.results=2026-01-01", "overrides=paths.results="),
        ("paths={cache: x}", "overrides=paths.cache=VALUE"),
        ("experment=x", "Did you mean experiment?"),
        ("=x", "experiment"),
        ("a b=3", "experiment"),
    ],
)
def test_an_unknown_key_says_what_to_write(setting: str, instead: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError) as failure:
        check_settings([setting])
    assert instead in str(failure.value)
    assert main(["plan", "--config", setting]) == 1
    assert instead in capsys.readouterr().err


@pytest.mark.parametrize("value", ["[a", "a: b: c", "'"])
def test_a_value_that_is_no_yaml_is_a_text(value: str) -> None:
    check_settings([f"overrides={value}"])


@pytest.mark.parametrize(
    "value",
    [
        *("[a", "a: b: c", "3", "{a: b}", "[{a: b}]", "neighbours", "neighbours=[1"),
        *("dataset.quickstart.title=Mine: the first", "dataset.quickstart.title='Mine: the first'"),
    ],
)
def test_an_override_that_is_read_otherwise_than_meant_is_refused_with_one_that_works(value: str) -> None:
    with pytest.raises(UserError) as failure:
        configuration([f"overrides={value}"], folder=ROOT / "config")
    assert EXAMPLE in str(failure.value)
    (typed,) = shlex.split(EXAMPLE.replace("dataset.mine", "dataset.quickstart").removeprefix("--config "))
    assert configuration([typed], folder=ROOT / "config").dataset["quickstart"].title == "Mine: the first"


@pytest.mark.parametrize("value", ["", "[]", "~"])
def test_no_override_is_none(value: str) -> None:
    assert configuration([f"overrides={value}"], folder=ROOT / "config").neighbours == 64


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plan", "pyproject.toml"], ["no rule makes pyproject.toml. "]),
        (["plan", "quesions"], ["quesions", "Did you mean questions?"]),
        (["explain", "results/splits/quikstart.parquet"], ["results/splits/quikstart.parquet"]),
        (
            ["explain", "results/questions/quickstart/benchmrk.parquet"],
            ["results/questions/quickstart/benchmark.parquet"],
        ),
        (["explain", "nothing.txt"], ["nothing.txt"]),
        (["plan", "--config", "experiment=quickstart", "questions"], ["questions", "before --config"]),
    ],
)
def test_what_is_not_there_is_one_message(
    arguments: list[str], words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(arguments) == 1
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    for word in words:
        assert word in told
