"""Arguments that commands check themselves."""

import argparse

import pytest

from rgd.cli import main
from rgd.cli.arguments import positive


def test_a_positive_number_is_one() -> None:
    assert positive("8") == 8


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "eight", ""])
def test_any_other_text_is_refused_and_named(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=repr(text)):
        positive(text)


@pytest.mark.parametrize(
    "arguments",
    [
        *(["serve", "--bundle", "b", "--port", port] for port in ("99999", "-1", "x", "80.5")),
        *(["serve", "--bundle", "b", "--threads", threads] for threads in ("0", "-1")),
        ["route", "--bundle", "b", "--threads", "0", "a query"],
        ["route", "--bundle", "b", "--nearest", "-1", "a query"],
        *(["init", "model", "m", "--weights", "o/m", "--billion", size] for size in ("0", "-1", "nan", "inf", "7b")),
        ["watch", "--bundle", "b", "--log", "l", "--last", "0"],
        ["plan", "--gpus", "0"],
    ],
)
def test_a_number_out_of_range_is_refused_by_its_argument(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "is no" in capsys.readouterr().err.splitlines()[-1]
