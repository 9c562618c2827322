"""HELM: folders of runs with ``scenario_state.json``, or with ``instances.json`` and ``display_predictions.json``.

Multiple choice with all options in the prompt (``multiple_choice_joint``) and generation are read; the letter goes through
``output_mapping``, since HELM may show the options in another order. A log-probability of 0.0 throughout means that it is not
known. ``per_instance_stats.json`` and the statistics of the predictions give scores.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rgd.answers.formats.reading import json_document, reading
from rgd.answers.formats.records import Asked, Record, Settings, count_of, inside, needed_text, number_of, text_of
from rgd.answers.responses import MEAN_LOG_PROBABILITY
from rgd.errors import UserError

PATTERNS = ("scenario_state.json", "display_predictions.json")
CONFIDENCE = MEAN_LOG_PROBABILITY

_METRICS = ("exact_match", "quasi_exact_match", "final_number_exact_match", "math_equiv", "f1_score", "rouge_l")
_MODEL = re.compile(r"model=([^,]+)")
_CORRECT = "correct"


def records(paths: Sequence[Path], settings: Settings) -> Iterator[Record]:
    """The records of runs; where a folder has both files, the state is read.

    Raises:
        UserError: a file is none of a run, or the run has a request for each option.
    """
    folders = {path.parent for path in paths if path.name == "scenario_state.json"}
    for path in paths:
        if path.name == "display_predictions.json":
            if path.parent not in folders:
                yield from _predictions(path)
        elif path.name == "scenario_state.json":
            yield from _states(path)
        elif path.name not in (
            "instances.json",
            "run_spec.json",
            "per_instance_stats.json",
            "scenario.json",
            "stats.json",
        ):
            raise UserError(f"{path} is no file of a run. Give its folder, which holds scenario_state.json.")


def _states(path: Path) -> Iterator[Record]:
    content = json_document(path)
    with reading(path):
        specification = content["adapter_spec"]
        _refuse_separate(specification)
        model = str(specification.get("model") or _model(path.parent))
        states = content["request_states"]
        if not isinstance(states, list) or not states:
            raise UserError("has no request_states")
    scores = _scores(path.parent / "per_instance_stats.json")
    task = _task(path.parent)
    for number, state in enumerate(states):
        with reading(path, f"request state {number}"):
            record = _of_state(model, task, state, scores)
        yield record


def _of_state(model: str, task: str, state: Mapping[str, Any], scores: Mapping[tuple[str, int], float]) -> Record:
    instance, mapping = state["instance"], state.get("output_mapping")
    completion = inside(state, "result", "completions", 0)
    text = text_of(inside(completion, "text"))
    trial = int(state.get("train_trial_index") or 0)
    tokens = inside(completion, "tokens")
    values = [number_of(inside(token, "logprob")) for token in tokens] if isinstance(tokens, list) else []
    known = [value for value in values if value is not None]
    asked, answer = _asked(instance, mapping, text, task)
    return Record(
        model,
        asked,
        said=None if asked.options else text,
        answer=answer,
        text=text,
        score=scores.get((str(instance.get("id")), trial)),
        confidence=sum(known) / len(known) if known and len(known) == len(values) and any(known) else None,
        completion_tokens=count_of(len(tokens)) if isinstance(tokens, list) else None,
        latency=number_of(inside(state, "result", "request_time")),
        failed=inside(state, "result", "success") is False,
        is_other_version=_is_version(instance, trial),
    )


def _predictions(path: Path) -> Iterator[Record]:
    rows, instances = json_document(path), json_document(path.parent / "instances.json")
    specification = path.parent / "run_spec.json"
    model = _model(path.parent)
    if specification.exists():
        content = json_document(specification)
        with reading(specification):
            _refuse_separate(content["adapter_spec"])
            model = str(content["adapter_spec"].get("model") or model)
    with reading(path):
        if not isinstance(rows, list) or not rows:
            raise UserError("has no predictions")
        known = {str(instance["id"]): instance for instance in instances if not instance.get("perturbation")}
    task = _task(path.parent)
    for number, row in enumerate(rows):
        with reading(path, f"prediction {number}"):
            record = _of_prediction(model, task, row, known)
        yield record


def _of_prediction(model: str, task: str, row: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> Record:
    text, mapped = text_of(row["predicted_text"]), text_of(row.get("mapped_output"))
    trial = int(row.get("train_trial_index") or 0)
    score = _metric({name: number_of(value) for name, value in (row.get("stats") or {}).items()})
    instance = known.get(str(row["instance_id"]))
    if instance is None:
        return Record(model, None, text=text)
    asked, _ = _asked(instance, None, None, task)
    options = tuple(_references(instance))
    answer = None
    if mapped is not None and mapped in options and len(options) > 1:
        # A prediction was mapped to an option, so the references are the options.
        answer = chr(ord("A") + options.index(mapped))
        asked = Asked(asked.text, options, asked.gold, task=task)
    elif len(options) > 1 and not all(_is_correct(reference) for reference in instance["references"]):
        asked = Asked(asked.text, options, asked.gold, task=task)
    return Record(
        model,
        asked,
        said=None if asked.options else text,
        answer=answer,
        text=text,
        score=score,
        is_other_version=bool(row.get("perturbation")) or trial > 0,
    )


def _asked(instance: Mapping[str, Any], mapping: Any, text: str | None, task: str) -> tuple[Asked, str | None]:
    """The question of an instance, and the letter that ``text`` names; its options are those of ``mapping``."""
    question = needed_text(inside(instance, "input", "text"), "input")
    right = [
        text
        for reference, text in zip(instance["references"], _references(instance), strict=True)
        if _is_correct(reference)
    ]
    gold = right[0] if right else None
    if not isinstance(mapping, Mapping) or len(mapping) < 2:
        return Asked(question, (), gold, task=task), None
    letters = sorted(mapping)
    if letters != [chr(ord("A") + place) for place in range(len(letters))]:
        raise UserError("its output_mapping has other keys than the letters from A on")
    options = tuple(str(mapping[letter]) for letter in letters)
    said = (text or "").strip().strip("().:")
    return Asked(question, options, gold, task=task), said if said in letters else None


def _references(instance: Mapping[str, Any]) -> list[str]:
    return [str(reference["output"]["text"]) for reference in instance["references"]]


def _is_correct(reference: Mapping[str, Any]) -> bool:
    return _CORRECT in (reference.get("tags") or [])


def _is_version(instance: Mapping[str, Any], trial: int) -> bool:
    return bool(instance.get("perturbation")) or trial > 0


def _refuse_separate(specification: Mapping[str, Any]) -> None:
    method = str(specification.get("method"))
    if method.startswith("multiple_choice_separate"):
        raise UserError(
            f"its method {method} has a request for each option, which is not read. Use multiple_choice_joint."
        )


def _model(folder: Path) -> str:
    named = _MODEL.search(folder.resolve().name)
    return named[1].replace("_", "/", 1) if named else folder.resolve().name


def _task(folder: Path) -> str:
    """The run without its model and its method: "mmlu:subject=philosophy" is the task "mmlu-philosophy"."""
    name = folder.resolve().name
    scenario, _, arguments = name.partition(":") if ":" in name else name.partition("-")
    kept = [
        part for part in arguments.split(",") if part.partition("=")[0] not in ("model", "method", "model_deployment")
    ]
    return "-".join([scenario, *(part.partition("=")[2] or part for part in kept if part)])


def _scores(path: Path) -> dict[tuple[str, int], float]:
    """The score of every instance and trial, of the first metric that the run has."""
    if not path.exists():
        return {}
    content = json_document(path)
    scores = {}
    with reading(path):
        for row in content:
            if row.get("perturbation"):
                continue
            means = {
                str(inside(stat, "name", "name")): number_of(stat.get("mean"))
                for stat in row["stats"]
                if not inside(stat, "name", "perturbation")
            }
            score = _metric(means)
            if score is not None:
                scores[str(row["instance_id"]), int(row.get("train_trial_index") or 0)] = score
    return scores


def _metric(values: Mapping[str, float | None]) -> float | None:
    return next((value for name in _METRICS if (value := values.get(name)) is not None and 0 <= value <= 1), None)
