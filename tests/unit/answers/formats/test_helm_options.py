"""HELM's runs with a request for each option, in files made as HELM writes them: no public run was at hand."""

import json
import math
import random
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from rgd.answers.formats.helm_options import CALIBRATED, ORIGINAL, chosen
from rgd.answers.formats.importing import import_files
from rgd.errors import UserError
from tests.unit.answers.formats import worlds

COUNT, OPTIONS = 12, 4
MODEL = "org/first"


def tokens_of(text: str, draw: random.Random) -> list[dict[str, Any]]:
    """A text in pieces, each with a log-probability; characters that are not ASCII in bytes, as HELM writes parts of them."""
    pieces, start = [], 0
    while start < len(text):
        end = start + draw.randint(1, 6)
        pieces.append(text[start:end])
        start = end
    tokens = []
    for piece in pieces:
        if piece.isascii():
            tokens.append(piece)
        else:
            tokens += [f"bytes:\\x{byte:02x}" for byte in piece.encode()]
    return [{"text": token, "logprob": -draw.random() * 3} for token in tokens]


def option(n: int, place: int) -> str:
    return ("Zürich " if n % 3 == 0 else "the ") + "thing " * place + f"{n}"


def instance(n: int) -> dict[str, Any]:
    references = [
        {"output": {"text": option(n, place)}, "tags": ["correct"] if place == n % OPTIONS else []}
        for place in range(OPTIONS)
    ]
    return {"input": {"text": worlds.question(n)}, "references": references, "split": "test", "id": f"id{n}"}


def run_of(folder: Path, method: str, seed: int = 1) -> tuple[Path, list[int], list[dict[str, Any]]]:
    """A run's state, the place that HELM chooses for each instance, and HELM's statistics of each instance."""
    draw = random.Random(seed)
    states, places, stats = [], [], []
    for n in range(COUNT):
        scores = []
        for place in range(OPTIONS):
            scored = {}
            for mode, before in (("original", worlds.question(n)), ("calibration", "Answer:")):
                if mode == "calibration" and method == ORIGINAL:
                    continue
                head, tail = tokens_of(before, draw), tokens_of(f" {option(n, place)}", draw)
                head[0]["logprob"] = 0.0
                scored[mode] = [token["logprob"] for token in tail]
                completion = {"text": f"{before} {option(n, place)}", "logprob": -1.0, "tokens": [*head, *tail]}
                states.append(
                    {
                        "instance": instance(n),
                        "reference_index": place,
                        "request_mode": mode,
                        "train_trial_index": 0,
                        "request": {"prompt": completion["text"], "echo_prompt": True, "max_tokens": 0},
                        "result": {"success": True, "completions": [completion], "request_time": 0.25},
                    }
                )
            asked = math.fsum(scored["original"])
            scores.append(
                asked / len(scored["original"]) if method == ORIGINAL else asked - math.fsum(scored["calibration"])
            )
        places.append(max(range(OPTIONS), key=scores.__getitem__))
        values = {"exact_match": float(places[-1] == n % OPTIONS), "predicted_index": places[-1], "max_prob": 0.4}
        listed = [{"name": {"name": name, "split": "test"}, "mean": value} for name, value in values.items()]
        stats.append({"instance_id": f"id{n}", "train_trial_index": 0, "stats": listed})
    path = worlds.document(
        folder / f"things:subject=x,method={method},model=org_first" / "scenario_state.json",
        {"adapter_spec": {"method": method, "model": MODEL}, "request_states": states},
    )
    return path, places, stats


def changed(path: Path, change: Any) -> None:
    """Write a state anew, with each of its request states changed."""
    content = json.loads(path.read_text())
    for state in content["request_states"]:
        change(state)
    worlds.document(path, content)


def answers(folder: Path) -> list[dict[str, Any]]:
    return pq.read_table(folder / "recorded/helm/all/org__first.parquet").to_pylist()


@pytest.mark.parametrize("with_stats", [False, True])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("method", [ORIGINAL, CALIBRATED])
def test_the_likeliest_option_is_the_answer(method: str, seed: int, with_stats: bool, tmp_path: Path) -> None:
    path, places, stats = run_of(tmp_path / "files", method, seed)
    if with_stats:
        worlds.document(path.parent / "per_instance_stats.json", stats)
    (counts,) = import_files("helm", [path], tmp_path / "data").models.values()
    right = sum(place == n % OPTIONS for n, place in enumerate(places))
    assert 0 < right < COUNT
    assert (counts.read, counts.joined, counts.answered, counts.right) == (COUNT, COUNT, COUNT, right)
    assert counts.scored == (COUNT if with_stats else 0)
    rows = answers(tmp_path / "data")
    assert [row["answer"] for row in rows] == ["ABCD"[place] for place in places]
    assert all(row["mean_log_probability"] < 0 and row["text"] is None for row in rows)
    assert {row["latency"] for row in rows} == {0.25 * OPTIONS * (1 if method == ORIGINAL else 2)}
    known = pq.read_table(tmp_path / "data/hub/imported/helm/questions.parquet").to_pylist()
    assert [row["answer"] for row in known] == ["ABCD"[n % OPTIONS] for n in range(COUNT)]


def test_the_confidence_is_the_mean_of_the_chosen_options_tokens(tmp_path: Path) -> None:
    def plain(state: dict[str, Any]) -> None:
        place = state["reference_index"]
        tokens = [
            {"text": "q", "logprob": 0.0},
            {"text": ":", "logprob": -9.0},
            {"text": " ", "logprob": -0.1 * place - 0.1},
        ]
        tokens.append({"text": state["instance"]["references"][place]["output"]["text"], "logprob": -0.3})
        state["result"]["completions"][0]["tokens"] = tokens

    path, _, _ = run_of(tmp_path / "files", ORIGINAL)
    changed(path, plain)
    import_files("helm", [path], tmp_path / "data")
    assert [(row["answer"], row["mean_log_probability"]) for row in answers(tmp_path / "data")] == [
        ("A", pytest.approx(-0.2))
    ] * COUNT


@pytest.mark.parametrize("method", [ORIGINAL, CALIBRATED])
@pytest.mark.parametrize("with_stats", [False, True])
def test_log_probabilities_of_zero_throughout_choose_nothing(method: str, with_stats: bool, tmp_path: Path) -> None:
    """HELM itself finds all options equal, chooses the first, and counts a share of the right ones as the score."""

    def unknown(state: dict[str, Any]) -> None:
        if state["instance"]["id"] not in ("id1", "id2"):
            return
        for token in state["result"]["completions"][0]["tokens"]:
            token["logprob"] = 0.0

    path, places, stats = run_of(tmp_path / "files", method)
    changed(path, unknown)
    if with_stats:
        for n in (1, 2):
            for stat, value in zip(stats[n]["stats"], (1 / OPTIONS, 0, 1 / OPTIONS), strict=True):
                stat["mean"] = value
        worlds.document(path.parent / "per_instance_stats.json", stats)
    (counts,) = import_files("helm", [path], tmp_path / "data").models.values()
    assert (counts.joined, counts.answered, counts.unreadable) == (COUNT, COUNT - 2, 2)
    rows = answers(tmp_path / "data")
    expected = [None if n in (1, 2) else "ABCD"[place] for n, place in enumerate(places)]
    assert [row["answer"] for row in rows] == expected
    assert all((row["score"] is None, row["mean_log_probability"]) == (True, None) for row in rows[1:3])


@pytest.mark.parametrize("odd", ["missing", "null", "text"])
def test_an_odd_reply_to_one_option_is_one_answer_that_is_not_known(odd: str, tmp_path: Path) -> None:
    def spoil(state: dict[str, Any]) -> None:
        if (state["instance"]["id"], state["reference_index"]) != ("id3", 2):
            return
        completion = state["result"]["completions"][0]
        if odd == "missing":
            del completion["tokens"]
        elif odd == "null":
            completion["tokens"][-1]["logprob"] = None
        else:
            completion["tokens"][-1]["text"] = "another text"

    path, places, _ = run_of(tmp_path / "files", ORIGINAL)
    changed(path, spoil)
    import_files("helm", [path], tmp_path / "data")
    rows = answers(tmp_path / "data")
    assert [row["answer"] for row in rows] == [None if n == 3 else "ABCD"[place] for n, place in enumerate(places)]


def test_a_failed_request_fails_its_question(tmp_path: Path) -> None:
    def fail(state: dict[str, Any]) -> None:
        if (state["instance"]["id"], state["reference_index"]) == ("id0", 1):
            state["result"] = {"success": False, "completions": []}

    path, _, _ = run_of(tmp_path / "files", CALIBRATED)
    changed(path, fail)
    (counts,) = import_files("helm", [path], tmp_path / "data").models.values()
    assert (counts.failed, counts.answered, counts.unreadable) == (1, COUNT - 1, 0)


@pytest.mark.parametrize("method", [ORIGINAL, CALIBRATED])
def test_an_option_without_a_request_is_refused(method: str, tmp_path: Path) -> None:
    path, _, _ = run_of(tmp_path / "files", method)
    content = json.loads(path.read_text())
    del content["request_states"][-1]
    worlds.document(path, content)
    with pytest.raises(UserError, match=r"scenario_state\.json, request states"):
        import_files("helm", [path], tmp_path / "data")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("method", ["ranking_binary", "multiple_choice_joint"])
def test_another_method_with_a_request_for_each_option_is_refused(method: str, tmp_path: Path) -> None:
    path, _, _ = run_of(tmp_path / "files", ORIGINAL)
    path.write_text(path.read_text().replace(ORIGINAL, method))
    with pytest.raises(UserError, match=method):
        import_files("helm", [path], tmp_path / "data")


def test_perturbed_instances_and_further_trials_are_other_versions(tmp_path: Path) -> None:
    path, _, _ = run_of(tmp_path / "files", ORIGINAL)
    content = json.loads(path.read_text())
    states = content["request_states"]
    perturbed = [state | {"instance": state["instance"] | {"perturbation": {"name": "typos"}}} for state in states]
    later = [state | {"train_trial_index": 1} for state in states]
    worlds.document(path, content | {"request_states": [*states, *perturbed, *later]})
    (counts,) = import_files("helm", [path], tmp_path / "data").models.values()
    assert (counts.read, counts.joined, counts.repeated) == (3 * COUNT, COUNT, 2 * COUNT)


def predictions_of(path: Path, stats: list[dict[str, Any]], method: str, chosen_only: bool) -> Path:
    """The files that HELM makes of a state for its web pages: a prediction for the chosen option, or for each."""
    rows = []
    for state in json.loads(path.read_text())["request_states"]:
        if state["request_mode"] == "calibration":
            continue
        n = int(state["instance"]["id"].removeprefix("id"))
        values = {stat["name"]["name"]: stat["mean"] for stat in stats[n]["stats"]}
        if not chosen_only or values["predicted_index"] == state["reference_index"]:
            row = {"instance_id": f"id{n}", "train_trial_index": 0, "reference_index": state["reference_index"]}
            rows.append(row | {"predicted_text": state["result"]["completions"][0]["text"], "stats": values})
    path.unlink()
    worlds.document(path.parent / "instances.json", [instance(n) for n in range(COUNT)])
    worlds.document(path.parent / "run_spec.json", {"adapter_spec": {"method": method, "model": MODEL}})
    return worlds.document(path.parent / "display_predictions.json", rows)


@pytest.mark.parametrize("chosen_only", [False, True])
@pytest.mark.parametrize("method", [ORIGINAL, CALIBRATED])
def test_displayed_predictions_have_the_option_that_helm_chose(method: str, chosen_only: bool, tmp_path: Path) -> None:
    path, places, stats = run_of(tmp_path / "files", method)
    file = predictions_of(path, stats, method, chosen_only)
    (counts,) = import_files("helm", [file], tmp_path / "data").models.values()
    assert (counts.read, counts.joined, counts.scored) == (COUNT, COUNT, COUNT)
    assert [row["answer"] for row in answers(tmp_path / "data")] == ["ABCD"[place] for place in places]


@pytest.mark.parametrize("lacks", ["predicted_index", "run_spec.json"])
def test_displayed_predictions_that_do_not_say_which_was_chosen_are_refused(lacks: str, tmp_path: Path) -> None:
    path, _, stats = run_of(tmp_path / "files", ORIGINAL)
    file = predictions_of(path, stats, ORIGINAL, chosen_only=False)
    if lacks == "run_spec.json":
        (file.parent / lacks).unlink()
    else:
        rows = json.loads(file.read_text())
        for row in rows:
            del row["stats"][lacks]
        worlds.document(file, rows)
    with pytest.raises(UserError, match=lacks):
        import_files("helm", [file], tmp_path / "data")


@pytest.mark.parametrize(
    "pieces",
    [
        ["Where", "?", " New", " York"],
        ["Where", "?", " ", "New", " ", "York"],
        ["Where?", "▁New", "▁York"],
        ["Where?", "New", "Y", "or", "k"],
        ["Where", "?", " New York", "\n"],
    ],
)
def test_an_options_tokens_are_found_in_any_pieces(pieces: list[str]) -> None:
    tokens = [{"text": piece, "logprob": -8.0 if "Where" in piece or piece == "?" else -1.0} for piece in pieces]
    others = [{"text": "Where?", "logprob": -0.1}, {"text": " Bonn", "logprob": -2.0}]
    states = [
        {"reference_index": place, "result": {"completions": [{"tokens": each}]}}
        for place, each in enumerate((others, tokens))
    ]
    assert chosen(["Bonn", "New York"], states, ORIGINAL) == (1, -1.0)
