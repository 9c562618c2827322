"""Arguments that commands check themselves."""

import argparse

import pytest

from rgd.cli.arguments import positive


def test_a_positive_number_is_one() -> None:
    assert positive("8") == 8


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "eight", ""])
def test_any_other_text_is_refused_and_named(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=repr(text)):
        positive(text)
