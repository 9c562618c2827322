"""Checks before a long run, on made-up machines and clusters."""

import importlib.metadata
import json
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from rgd import doctor
from rgd.cli import main
from rgd.config import load
from rgd.config.needs import embedders, models
from rgd.config.schema import Api, Config, Embedder, Hub, Model
from rgd.doctor import cluster as on_cluster
from rgd.doctor import supplies
from rgd.doctor.findings import FIX, NOTE, OK, Finding
from rgd.doctor.machine import Gpu
from rgd.doctor.servers import Probe, Reply, ask_server, servers
from tests import ROOT

CONFIG = ROOT / "config"
PARTITIONS = (
    "PartitionName=cpu Default=YES MaxTime=2-00:00:00 State=UP PreemptMode=OFF\n"
    "PartitionName=gpu Default=NO MaxTime=12:00:00 State=UP PreemptMode=REQUEUE\n"
    "PartitionName=scrap Default=NO MaxTime=UNLIMITED State=DOWN PreemptMode=CANCEL\n"
)


@pytest.fixture(scope="module")
def config() -> Config:
    return load(CONFIG)


@pytest.fixture(scope="module")
def small(config: Config) -> dict[str, Model]:
    return models(config)


def test_a_broken_file_that_is_not_used_is_a_note() -> None:
    fault = "config/dataset/draft.yaml: the key tasks is missing"
    findings = list(doctor.drafts({("dataset", "draft"): fault, ("dataset", "copy"): fault}))
    assert [(finding.level, finding.text) for finding in findings] == [(NOTE, fault)]


def with_site(config: Config, **cluster: object) -> Config:
    site = config.site.model_copy(update={"cluster": config.site.cluster.model_copy(update=cluster)})
    return config.model_copy(update={"site": site})


def large(config: Config, **changes: object) -> dict[str, Model]:
    model = config.model["qwen2.5-coder-1.5b"]
    return {"large": model.model_copy(update={"parameters_billion": 70.0, "gpus": 4, "memory_mb": 10**9} | changes)}


def levels(findings: Iterator[Finding]) -> list[str]:
    return [finding.level for finding in findings]


def said(findings: Iterator[Finding]) -> str:
    return "\n".join(map(str, findings))


def cluster(**answers: str) -> Callable[[Sequence[str]], str | None]:
    """Commands of a cluster; a name is a command with its first argument."""
    known = {
        "scontrol_show": PARTITIONS,
        "sinfo_-h": "gpu:a100:4 2000000000\n(null) 256000\n",
        "id_-un": "me\n",
        "sacctmgr_-n": "lab\nother\n",
    } | answers

    def run(arguments: Sequence[str]) -> str | None:
        if arguments[:3] == ["scontrol", "show", "config"]:
            return known.get("config", "MinJobAge               = 300 sec\n")
        return known.get("_".join(arguments[:2]))

    return run


def test_quickstart_needs_no_gpu_key_or_licence(config: Config, small: dict[str, Model]) -> None:
    assert set(small) == {"qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b", "smollm2-135m"}
    assert set(embedders(config)) == {"all-minilm-l6-v2"}
    assert levels(doctor.gpus(small, embedders(config), [])) == [OK]
    assert levels(doctor.keys(small)) == []


def test_versions_are_those_of_the_lock_file(tmp_path: Path) -> None:
    wanted = {"numpy": "2.0", "torch": "2.1", "gone": "1.0"}
    installed = {"numpy": "2.0", "torch": "2.1+cpu"}

    def version(name: str) -> str:
        if name not in installed:
            raise importlib.metadata.PackageNotFoundError(name)
        return installed[name]

    (found,) = doctor.versions(wanted, version, "a remedy")
    assert (found.level, found.text, found.remedy) == (FIX, "gone absent (pinned: 1.0)", "a remedy")
    assert levels(doctor.versions({"numpy": "2.0", "torch": "2.1"}, version, "")) == [OK]
    assert levels(doctor.versions(doctor.pins(tmp_path / "absent.txt"), version, "")) == [NOTE]
    assert len(doctor.pins(CONFIG.parent / "envs/lock-cpu.txt")) > 100


def test_the_remedy_for_wrong_versions_reinstalls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stamp = tmp_path / ".venv/.installed-lock-gpu.txt"
    stamp.parent.mkdir()
    stamp.touch()
    monkeypatch.setattr(doctor.sys, "prefix", str(stamp.parent))
    remedy = doctor.reinstallation(tmp_path, doctor.lock_file(tmp_path))
    assert "make install LOCK=envs/lock-gpu.txt" in remedy
    # The stamp, for which make would do nothing, is removed by the remedy itself.
    subprocess.run(remedy.partition(";")[0], shell=True, cwd=tmp_path, check=True)
    assert not stamp.exists()
    monkeypatch.setattr(doctor.sys, "prefix", str(tmp_path / "elsewhere"))
    assert "pip install --no-deps -r envs/lock-cpu.txt" in doctor.reinstallation(
        tmp_path, doctor.lock_file(tmp_path / "envs")
    )


def test_a_broken_environment_and_a_path_that_breaks_jobs_are_found(tmp_path: Path) -> None:
    good = Path("/usr/bin/python3")
    assert levels(doctor.installation(tmp_path, good)) == []
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").symlink_to(tmp_path / "gone")
    (found,) = doctor.installation(tmp_path, good)
    assert (found.level, found.subject) == (FIX, "environment")
    assert [each.subject for each in doctor.installation(tmp_path, Path("/with space/bin/python"))] == [
        "path",
        "environment",
    ]


def test_gpus_of_this_machine_are_counted_and_measured(config: Config) -> None:
    assert (
        doctor.local_gpus(lambda _: "NVIDIA A100, 81920\nNVIDIA A100, 81920\n")
        == [Gpu("NVIDIA A100", 85.899345920)] * 2
    )
    assert doctor.local_gpus(lambda _: None) == []
    wanted = large(config)
    assert "model/large" in said(doctor.gpus(wanted, {}, []))
    assert levels(doctor.gpus(wanted, {}, [Gpu("A100", 85.9)] * 3)) == [FIX]
    assert levels(doctor.gpus(wanted, {}, [Gpu("A100", 85.9)] * 4)) == [OK]
    # 140 GB of weights on four GPUs, of which vLLM takes nine tenths.
    small = said(doctor.gpus(wanted, {}, [Gpu("A10", 24.0)] * 4))
    assert re.search(r"model/large .*39 GB .*4 GPUs", small)
    assert "config/model/large.yaml" in small


def test_an_embedder_counts_as_well(config: Config) -> None:
    vectors: dict[str, Embedder] = {"qwen3-embedding-8b": config.embedder["qwen3-embedding-8b"]}
    assert "embedder/qwen3-embedding-8b" in said(doctor.gpus({}, vectors, []))


def test_memory(config: Config, small: dict[str, Model]) -> None:
    assert levels(doctor.memory(large(config), {})) == [FIX]
    # Recorded answers and embeddings need no model.
    assert levels(doctor.memory({}, {})) == [OK]
    assert levels(
        doctor.memory({name: spec.model_copy(update={"memory_mb": 1}) for name, spec in small.items()}, {})
    ) == [OK]


def test_a_cluster_that_has_what_is_wanted(config: Config) -> None:
    site = with_site(config, partition="cpu", gpu_partition="gpu", account="lab", longest_minutes=720)
    findings = list(doctor.slurm(site, large(config), {}, cluster()))
    assert [finding for finding in findings if finding.level == FIX] == []
    assert "up to 4" in said(iter(findings))


@pytest.mark.parametrize(
    ("changes", "answers", "words"),
    [
        ({"gpu_partition": "gpus"}, {}, r"site\.cluster\.gpu_partition .*gpus.*cpu, gpu, scrap"),
        ({"longest_minutes": 1440}, {}, "longest_minutes: 720"),
        ({"account": "theirs"}, {}, "theirs.*lab, other"),
        ({}, {"sinfo_-h": "(null) 1000\n"}, "partition gpu .*0 GPUs.*model/large .*4"),
        ({}, {"sinfo_-h": "gpu:2(S:0-1) 1000\n"}, "partition gpu .*2 GPUs"),
        (
            {},
            {"sinfo_-h": "gpu:4 64000\n(null) 2000000000\n"},
            "4 GPUs .*64000 MB.*model/large .*1000000",
        ),
        ({"partition": None, "gpu_partition": "scrap", "longest_minutes": 2881}, {}, "2881.*cpu .*2880"),
        ({}, {"config": "MinJobAge = 30 sec\n"}, "30 s .*MinJobAge"),
    ],
)
def test_what_a_cluster_lacks(config: Config, changes: dict[str, object], answers: dict[str, str], words: str) -> None:
    usual = {"partition": "cpu", "gpu_partition": "gpu", "account": "lab", "longest_minutes": 720}
    findings = list(doctor.slurm(with_site(config, **usual | changes), large(config), {}, cluster(**answers)))
    broken = [finding for finding in findings if finding.level == FIX]
    assert len(broken) == 1
    assert re.search(words, str(broken[0]), re.DOTALL)


def test_a_partition_that_cancels_what_it_preempts_is_told(config: Config, small: dict[str, Model]) -> None:
    findings = list(doctor.slurm(with_site(config, partition="scrap"), small, {}, cluster()))
    assert [finding.level for finding in findings].count(NOTE) == 2
    assert "PreemptMode=CANCEL" in said(iter(findings))


def test_without_accounting_the_account_is_not_judged(config: Config, small: dict[str, Model]) -> None:
    site = with_site(config, partition="cpu", account="lab")
    without = cluster()
    findings = doctor.slurm(
        site, small, {}, lambda arguments: None if arguments[0] == "sacctmgr" else without(arguments)
    )
    assert FIX not in levels(findings)


def test_without_accounting_something_stands_in_for_sacct(
    config: Config, small: dict[str, Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    none = cluster(config="AccountingStorageType   = accounting_storage/none\nMinJobAge = 300 sec\n")
    assert "/profiles/slurm/without-accounting:$PATH" in said(doctor.slurm(config, small, {}, none))
    kept = cluster(config="AccountingStorageType   = accounting_storage/slurmdbd\n")
    assert "without-accounting" not in said(doctor.slurm(config, small, {}, kept))
    monkeypatch.setenv("PATH", str(CONFIG.parent / on_cluster.STAND_IN), prepend=os.pathsep)
    assert "without-accounting" not in said(doctor.slurm(config, small, {}, none))


def test_a_controller_that_does_not_answer(config: Config, small: dict[str, Model]) -> None:
    (found,) = doctor.slurm(config, small, {}, lambda _: None)
    assert found.level == FIX


@pytest.mark.parametrize(
    ("time", "minutes"),
    [("1-00:00:00", 1440), ("12:30:00", 750), ("30:00", 30), ("UNLIMITED", None), ("", None), ("2-01:00:00", 2940)],
)
def test_times_of_slurm(time: str, minutes: int | None) -> None:
    assert on_cluster.minutes_of(time) == minutes


def hub_only(config: Config, tmp_path: Path) -> tuple[Config, dict[str, Model]]:
    """A model that comes from the hub alone and is not in the cache."""
    model = config.model["qwen3-8b"]
    assert model.weights is not None
    assert model.weights.hub is not None
    hub = model.weights.hub.model_copy(update={"accept": "Terms of Some Lab"})
    wanted = {"gated": model.model_copy(update={"weights": model.weights.model_copy(update={"hub": hub})})}
    return config.model_copy(update={"paths": config.paths.model_copy(update={"cache": str(tmp_path)})}), wanted


def test_weights_that_are_not_here(config: Config, tmp_path: Path) -> None:
    elsewhere, wanted = hub_only(config, tmp_path)

    def refuse(hub: Hub) -> str | None:
        return f"{hub.repo} wants its terms accepted"

    def silent(hub: Hub) -> str | None:
        raise OSError("no route")

    granted = list(doctor.weights(elsewhere, wanted, {}, lambda _: None))
    assert [finding.level for finding in granted] == [NOTE, NOTE, OK]
    assert "Terms of Some Lab" in said(iter(granted))
    assert "rgd models fetch" in said(iter(granted))
    assert FIX in levels(doctor.weights(elsewhere, wanted, {}, refuse))
    silence = list(doctor.weights(elsewhere, wanted, {}, silent))
    assert silence[-1].level == FIX
    assert "(no route)" in silence[-1].text


def test_weights_that_are_here(config: Config, tmp_path: Path) -> None:
    elsewhere, wanted = hub_only(config, tmp_path)
    assert wanted["gated"].weights is not None
    supplies.cache_folder(wanted["gated"].weights, tmp_path).mkdir()
    assert levels(doctor.weights(elsewhere, wanted, {}, None)) == [OK]


def test_room_on_the_disk(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere, wanted = hub_only(config, tmp_path)
    usage = supplies.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(supplies.shutil, "disk_usage", lambda _: usage._replace(free=12_000_000_000))
    findings = {finding.text: finding for finding in doctor.disk(elsewhere, wanted, {})}
    (short,) = [finding for finding in findings.values() if finding.level == FIX]
    assert "paths.cache" in short.text
    assert "16 GB" in short.text


def test_a_key_is_named_and_never_shown(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    served = {"gemini-2.5-flash": config.model["gemini-2.5-flash"]}
    (missing,) = doctor.keys(served)
    assert missing.level == FIX
    assert "GEMINI_API_KEY" in missing.text
    monkeypatch.setenv("GEMINI_API_KEY", "sk-in-no-report")
    (present,) = doctor.keys(served)
    assert present.level == OK
    assert "sk-in-no-report" not in str(present)


SERVER = "http://127.0.0.1:1/v1"


def asked_at(config: Config, **api: object) -> dict[str, Model]:
    model = config.model["gpt-oss-120b"]
    served = load_api(base_url=SERVER, model="served", **api)
    return {"mine": model.model_copy(update={"engine": "openai", "weights": None, "api": served})}


def load_api(**api: object) -> Api:
    return Api.model_validate(api)


def refuse(*_: object) -> Reply:
    raise ConnectionRefusedError("nobody is there")


@pytest.mark.parametrize(
    ("ask", "level", "words"),
    [
        (refuse, FIX, "nobody is there"),
        (lambda *_: Reply(401), FIX, "OPENAI_API_KEY"),
        (lambda *_: Reply(503), FIX, "503"),
        (lambda *_: Reply(404), NOTE, "/v1"),
        (lambda *_: Reply(200, ("serve", "other")), NOTE, "Did you mean serve?"),
        (lambda *_: Reply(200, ("served",)), OK, SERVER),
        (lambda *_: Reply(200), OK, SERVER),
    ],
)
def test_a_models_server_is_probed(config: Config, ask: Probe, level: str, words: str) -> None:
    found = list(servers(asked_at(config), {}, ask))
    assert [finding.level for finding in found] == [level]
    assert words in str(found[0])
    assert "model/mine" in found[0].text


def test_a_server_of_several_models_is_probed_once_and_offline_not_at_all(config: Config) -> None:
    asked = []

    def ask(address: str, _: object) -> Reply:
        asked.append(address)
        return Reply(200)

    two = {name: asked_at(config)["mine"] for name in ("a", "b")}
    assert len(list(servers(two, {}, ask))) == 2
    assert asked == [SERVER]
    assert not list(servers(two, {}, None))


@pytest.mark.parametrize(
    ("status", "body", "reply"),
    [
        (200, b'{"data": [{"id": "a"}, {"id": "b"}]}', Reply(200, ("a", "b"))),
        (200, b"<html>", Reply(200)),
        (200, b"[1]", Reply(200)),
        (401, b"", Reply(401)),
        (302, b"", Reply(302)),
    ],
)
def test_a_server_is_asked_for_its_models(status: int, body: bytes, reply: Reply) -> None:
    seen: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.path)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert ask_server(f"http://127.0.0.1:{server.server_port}/v1/", {"Authorization": "Bearer k"}) == reply
        server.shutdown()
    assert seen == ["/v1/models"]


def test_no_server_is_an_error_of_the_system() -> None:
    with pytest.raises(OSError, match="refused"):
        ask_server("http://127.0.0.1:1/v1", {})


def test_what_is_found_is_json_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("rgd.doctor.examine", lambda *_, **__: [Finding(OK, "a", "b"), Finding(FIX, "c", "d", "e")])
    assert main(["doctor", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [row for row in found if row["subject"] == "c"] == [
        {"level": "fix", "subject": "c", "text": "d", "remedy": "e"}
    ]
