"""The commands and their options, without running any."""

import argparse
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rgd import __version__
from rgd.cli import main, parser
from rgd.errors import UserError

COMMANDS = {
    *("plan", "explain", "adopt", "prune", "table", "store", "import-released", "data", "models", "doctor"),
    *("export", "route", "serve"),
}
HEAVY = {"numpy", "pandas", "pyarrow", "pydantic", "hydra", "omegaconf", "sklearn", "torch", "snakemake", "jinja2"}


def commands(given: argparse.ArgumentParser, *names: str) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Every command that can be run, and those below it."""
    nested = [action for action in given._actions if isinstance(action, argparse._SubParsersAction)]
    if not nested or given.get_default("run"):
        yield names, given
    for action in nested:
        for name, command in action.choices.items():
            yield from commands(command, *names, name)


def test_every_command_has_something_to_run_and_says_what_it_is_for() -> None:
    found = dict(commands(parser()))
    assert {names[0] for names in found} >= COMMANDS
    for names, command in found.items():
        assert callable(command.get_default("run")), names
        assert command.description, names


def test_the_commands_are_listed_without_importing_what_they_need() -> None:
    code = "import sys, rgd.cli; rgd.cli.parser().format_help(); print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


@pytest.mark.parametrize(
    ("error", "code"), [(UserError("a mistake"), 1), (KeyboardInterrupt(), 130)], ids=["mistake", "interrupt"]
)
def test_an_end_is_a_message_and_an_exit_code(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("rgd.answers.formats.released_layout.import_released", fail)
    assert main(["import-released", "from", "to"]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("rgd: ")
    assert said.err.count("\n") == 1


def test_an_option_means_the_same_in_every_command() -> None:
    """--config is KEY=VALUE everywhere, and --experiment and --data-root stand for two of its keys."""
    with_settings = {}
    for names, command in commands(parser()):
        options = {text: action for action in command._actions for text in action.option_strings}
        if "--config" in options:
            assert options["--config"].metavar == "KEY=VALUE", names
            assert options["--experiment"].dest == "config", names
            with_settings[names] = command
        if "--config-dir" in options:
            assert options["--config-dir"].default == Path("config"), names
        if "--json" in options:
            assert options["--json"].const is True, names
    assert {names[0] for names in with_settings} >= {
        "plan",
        "explain",
        "prune",
        "table",
        "label",
        "doctor",
        "data",
        "export",
    }


@pytest.mark.parametrize(
    ("given", "config"),
    [
        (["--experiment", "mine"], ["experiment=mine"]),
        (["--data-root", "/a/b", "--experiment", "mine"], ["data_root=/a/b", "experiment=mine"]),
        (
            ["--config", "experiment=a", "data_root=b", "--experiment", "c"],
            ["experiment=a", "data_root=b", "experiment=c"],
        ),
        (["--experiment", "a", "--config", "overrides=[x=1]"], ["experiment=a", "overrides=[x=1]"]),
        (["--data-root", "a #b: c"], ['data_root="a #b: c"']),
        ([], []),
    ],
)
def test_the_short_forms_are_settings(given: list[str], config: list[str]) -> None:
    assert parser().parse_args(["table", *given]).config == config
    # A second command of the same process begins anew.
    assert parser().parse_args(["table"]).config == []


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert __version__ in capsys.readouterr().out


def test_every_command_has_an_example_that_it_takes() -> None:
    for names, command in commands(parser()):
        assert command.epilog, names
        program, *arguments = shlex.split(command.epilog.removeprefix("Example: "))
        assert program == "rgd"
        assert arguments[: len(names)] == list(names)
        assert parser().parse_args(arguments).run is command.get_default("run")


READ_BY_SCRIPTS = [
    ("plan",),
    ("explain",),
    ("doctor",),
    ("models",),
    ("store", "ls"),
    ("data", "list"),
    ("route",),
    ("watch",),
]


def test_what_a_script_reads_is_json() -> None:
    found = dict(commands(parser()))
    for names in READ_BY_SCRIPTS:
        assert "--json" in found[names]._option_string_actions, names
