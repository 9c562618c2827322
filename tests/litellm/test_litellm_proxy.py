"""LiteLLM's own proxy on this machine routes through a bundle, to models of two servers.

The proxy has an environment of its own (make test-litellm), so that its packages decide nothing of the study.
"""

import contextlib
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest
import yaml

from rgd.tool.routing import Bundle
from tests import ROOT
from tests.faulty_server import Asked, FaultyServer, Play
from tests.unit.tool.test_serving import events, served, usual
from tests.unit.tool.tool_world import engines, world

PROXY = Path(os.environ.get("RGD_LITELLM", ROOT / ".venv-litellm/bin/litellm"))
MEMBERS = [f"m{number}" for number in range(6)]
PRICE = 1e-3
KEY = "sk-" + "0123456789abcdef" * 4

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PROXY.exists(), reason="LiteLLM's proxy is not installed (make test-litellm)"),
]


@pytest.fixture(scope="module")
def bundle() -> Iterator[Bundle]:
    with pytest.MonkeyPatch.context() as patch:
        opened, _ = engines()
        patch.setattr("rgd.engines.opening.opened", opened)
        patch.setattr("rgd.tool.answering.opened", opened)
        yield Bundle(world()[0])


@contextlib.contextmanager
def proxy(folder: Path, servers: dict[str, str], router: str) -> Iterator[str]:
    """The address of LiteLLM's proxy, with the group ``router`` of all members and the plugin that asks ``rgd serve``."""
    deployments = [
        {
            "model_name": "router",
            "litellm_params": {
                "model": f"openai/{member}",
                "api_base": f"{address}/v1",
                "api_key": "none",
                "input_cost_per_token": PRICE,
                "output_cost_per_token": PRICE,
            },
        }
        for member, address in servers.items()
    ]
    settings = {"plugins": ["rgd_router.plugin"], "num_retries": 3, "retry_after": 0, "cooldown_time": 5}
    (folder / "config.yaml").write_text(yaml.safe_dump({"model_list": deployments, "router_settings": settings}))
    (folder / "rgd_router.py").write_text(
        f"from rgd.tool.litellm_plugin import RouterPlugin\n\nplugin = RouterPlugin(server={router!r})\n"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
        "PYTHONPATH": str(ROOT / "workflow_scripts"),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_MASTER_KEY": KEY,
    }
    command = [str(PROXY), "--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "proxy.log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            address = f"http://127.0.0.1:{port}"
            for _ in range(600):
                with contextlib.suppress(urllib.error.URLError, ConnectionError):
                    urllib.request.urlopen(f"{address}/health/liveliness")
                    break
                assert process.poll() is None, (folder / "proxy.log").read_text()
                time.sleep(0.2)
            yield address
        finally:
            process.terminate()
            process.wait(30)


def test_a_thousand_requests_go_where_the_bundle_says_and_on_when_a_server_is_down(
    bundle: Bundle, tmp_path: Path
) -> None:
    queries = ["a" * (1 + number % 4) for number in range(1000)]
    best = {query: bundle.route(query).best for query in set(queries)}
    with (
        FaultyServer(_answers) as one,
        FaultyServer(_answers) as other,
        served(bundle) as router,
        proxy(
            tmp_path, {member: (one, other)[place % 2].address for place, member in enumerate(MEMBERS)}, router
        ) as at,
        openai.OpenAI(base_url=f"{at}/v1", api_key=KEY, max_retries=0, timeout=60) as client,
    ):

        def ask(query: str) -> tuple[str, float]:
            messages = [{"role": "user", "content": query}]
            raw = client.chat.completions.with_raw_response.create(model="router", messages=messages)
            said = raw.parse().choices[0].message.content
            return said.partition(" ")[0], float(raw.headers["x-litellm-response-cost"])

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(ask, queries))
        assert [member for member, _ in found] == [best[query] for query in queries]
        assert len(Counter(member for member, _ in found)) > 1
        assert all(cost == pytest.approx(3 * PRICE) for _, cost in found)
        pieces = client.chat.completions.create(
            model="router", messages=[{"role": "user", "content": "a"}], stream=True
        )
        assert "".join(each.choices[0].delta.content or "" for each in pieces if each.choices).startswith(best["a"])
        # The server of one query's member fails from now on.
        query, member = next(iter(best.items()))
        failing = (one, other)[MEMBERS.index(member) % 2]
        failing.usual = _fails
        again = [ask(query)[0] for _ in range(20)]
        left = {name for place, name in enumerate(MEMBERS) if (one, other)[place % 2] is not failing}
        assert set(again) <= left


def _answers(asked: Asked) -> Play:
    if not asked.body.get("stream"):
        return usual(asked)
    return Play(events(f"{asked.body['model']} ", "heard it"), headers={"Content-Type": "text/event-stream"})


def _fails(asked: Asked) -> Play:
    del asked
    return Play({"error": {"message": "down", "type": "server_error"}}, status=500)
