"""The routing plugin of LiteLLM, without LiteLLM: what it makes of a routing context."""

import asyncio
import subprocess
import sys
import urllib.error
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from rgd.errors import UserError
from rgd.tool.batching import Batcher
from rgd.tool.litellm_plugin import RouterPlugin
from rgd.tool.routing import Bundle
from tests import ROOT
from tests.unit.tool.test_serving import served
from tests.unit.tool.tool_world import engines, world

MEMBERS = [f"m{number}" for number in range(6)]


def context(text: object = "abc", *failed: str, models: list[str] | None = None) -> SimpleNamespace:
    attempts = tuple({"model": model, "exception_type": "Timeout"} for model in failed)
    return SimpleNamespace(
        structured_messages=[{"role": "system", "content": "x"}, {"role": "user", "content": text}],
        candidate_models=models or [f"openai/{member}" for member in MEMBERS],
        metadata={"previous_models": attempts} if failed else {},
        signals={},
    )


@pytest.fixture
def bundle(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bundle]:
    opened, _ = engines()
    monkeypatch.setattr("rgd.engines.opening.opened", opened)
    monkeypatch.setattr("rgd.tool.answering.opened", opened)
    with Bundle(world()[0]) as made:
        yield made


def here(bundle: Bundle, **options: object) -> RouterPlugin:
    """A plugin that routes in this process."""
    plugin = RouterPlugin(server="http://127.0.0.1:1", **options)
    plugin.batcher = Batcher(bundle)
    return plugin


def chosen(plugin: RouterPlugin, asked: SimpleNamespace) -> list[str]:
    return asyncio.run(plugin.run(asked)).candidate_models


def test_the_best_member_is_left_and_the_next_after_a_failure(bundle: Bundle) -> None:
    ranking = [f"openai/{each.member}" for each in bundle.route("abc").ranking]
    plugin = here(bundle)
    assert chosen(plugin, context()) == ranking[:1]
    assert chosen(plugin, context("abc", ranking[0])) == ranking[1:2]
    # What has failed rests, for other requests too, but is better than nothing.
    assert chosen(plugin, context()) == ranking[1:2]
    assert chosen(plugin, context(models=[ranking[0]])) == ranking[:1]
    assert chosen(plugin, context("abc", *ranking)) == ranking[:1]
    assert chosen(here(bundle, rest_s=0.0), context()) == ranking[:1]


def test_parts_of_text_are_read_and_nothing_else_is_routed(bundle: Bundle) -> None:
    plugin = here(bundle)
    best = chosen(plugin, context("abc"))
    assert chosen(plugin, context([{"type": "text", "text": "abc"}, {"type": "image_url", "image_url": {}}])) == best
    for odd in (None, "", [], [{"type": "image_url"}], 5):
        assert len(chosen(plugin, context(odd))) == len(MEMBERS)
    assert chosen(plugin, context(models=["openai/other"])) == ["openai/other"]


def test_members_have_the_models_that_are_named(bundle: Bundle) -> None:
    best = bundle.route("abc").best
    models = ["azure/x", *[f"openai/{member}" for member in MEMBERS]]
    plugin = here(bundle, models={best: "azure/x"})
    assert chosen(plugin, context(models=models)) == ["azure/x"]


def test_a_server_is_asked_for_decisions(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    best = bundle.route("abc").best
    with served(bundle, token="secret") as address:
        monkeypatch.setenv("MY_TOKEN", "secret")
        assert chosen(RouterPlugin(server=address, token="MY_TOKEN"), context()) == [f"openai/{best}"]
        with pytest.raises(urllib.error.HTTPError, match="401"):
            chosen(RouterPlugin(server=address), context())


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"server": "http://a", "token": "NO_SUCH_VARIABLE"},
        {"bundle": "x", "server": "http://a"},
        {"server": "ftp://a"},
    ],
)
def test_where_decisions_come_from_must_be_said(arguments: dict) -> None:
    with pytest.raises(UserError):
        RouterPlugin(**arguments)


def test_the_plugin_needs_nothing_but_this_package() -> None:
    code = "import sys; from rgd.tool.litellm_plugin import RouterPlugin; RouterPlugin(server='http://127.0.0.1:1'); "
    code += "print([name for name in ('numpy', 'torch', 'pyarrow', 'litellm') if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT / "workflow_scripts")},
    )
    assert done.stdout.strip() == "[]"
