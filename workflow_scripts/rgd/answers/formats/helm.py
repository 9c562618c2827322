"""HELM: folders of runs with ``scenario_state.json``, or with ``instances.json`` and ``display_predictions.json``.

Multiple choice with all options in the prompt (``multiple_choice_joint``) or with a request for each option
(``multiple_choice_separate_*``) and generation are read. In the first, the letter goes through ``output_mapping``, since HELM may
show the options in another order. A log-probability of 0.0 throughout means that it is not known. ``per_instance_stats.json`` and
the statistics of the predictions give scores, and the option that HELM itself found.
"""

import itertools
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rgd.answers.formats.helm_options import CALIBRATED, ORIGINAL, chosen
from rgd.answers.formats.reading import json_document, json_header, json_rows, reading
from rgd.answers.formats.records import Asked, Record, Settings, count_of, inside, needed_text, number_of, text_of
from rgd.answers.responses import MEAN_LOG_PROBABILITY
from rgd.errors import UserError

PATTERNS = ("scenario_state.json", "display_predictions.json")
CONFIDENCE = MEAN_LOG_PROBABILITY

_METRICS = ("exact_match", "quasi_exact_match", "final_number_exact_match", "math_equiv", "f1_score", "rouge_l")
_MODEL = re.compile(r"model=([^,]+)")
_CORRECT = "correct"
_OF_OPTIONS = (ORIGINAL, CALIBRATED)


class _Judged(NamedTuple):
    """What HELM found for an instance: its score, and the place of the chosen option where each has a request."""

    score: float | None = None
    place: int | None = None


def records(paths: Sequence[Path], settings: Settings) -> Iterator[Record]:
    """The records of runs; where a folder has both files, the state is read.

    Raises:
        UserError: a file is none of a run, or its method is not read.
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
    header = json_header(path, ("adapter_spec",))
    with reading(path):
        method = str(header["adapter_spec"].get("method"))
        model = str(header["adapter_spec"].get("model") or _model(path.parent))
    judged, task = _judged(path.parent / "per_instance_stats.json"), _task(path.parent)
    number = -1
    numbered = enumerate(json_rows(path, "request_states"))
    if method in _OF_OPTIONS:
        for _, group in itertools.groupby(numbered, lambda each: _identity(each[1])):
            numbers, states = zip(*group, strict=True)
            number = numbers[-1]
            with reading(path, f"request states {numbers[0]} to {number}"):
                record = _of_options(model, task, states, method, judged)
            yield record
    else:
        for number, state in numbered:
            with reading(path, f"request state {number}"):
                if state.get("reference_index") is not None:
                    raise UserError(f"its method {method} has a request for each option, and is not read")
                record = _of_state(model, task, state, judged)
            yield record
    if number < 0:
        raise UserError(f"{path} has no request_states. Is it the state of a run?")


def _identity(state: Any) -> tuple[str, str]:
    """What the requests for the options of one question share: the instance, the perturbation, and the trial."""
    instance = inside(state, "instance")
    version = [inside(instance, "perturbation"), inside(state, "train_trial_index")]
    return str(inside(instance, "id")), json.dumps(version, sort_keys=True)


def _of_state(model: str, task: str, state: Mapping[str, Any], judged: Mapping[tuple[str, int], _Judged]) -> Record:
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
        score=judged.get((str(instance.get("id")), trial), _Judged()).score,
        confidence=sum(known) / len(known) if known and len(known) == len(values) and any(known) else None,
        completion_tokens=count_of(len(tokens)) if isinstance(tokens, list) else None,
        latency=number_of(inside(state, "result", "request_time")),
        failed=inside(state, "result", "success") is False,
        is_other_version=_is_version(instance, trial),
    )


def _of_options(
    model: str,
    task: str,
    states: Sequence[Mapping[str, Any]],
    method: str,
    judged: Mapping[tuple[str, int], _Judged],
) -> Record:
    """The record of an instance whose options have a request each."""
    instance, trial = states[0]["instance"], int(states[0].get("train_trial_index") or 0)
    asked = _of_references(instance, task)
    failed = any(inside(state, "result", "success") is False for state in states)
    choice = None if failed else chosen(asked.options, states, method)
    found = _without_ties(judged.get((str(instance.get("id")), trial), _Judged()), instance)
    place = found.place if found.place is not None or choice is None else choice.place
    times = [number_of(inside(state, "result", "request_time")) for state in states]
    known = [time for time in times if time is not None]
    return Record(
        model,
        asked,
        answer=None if failed else _letter(place, asked.options),
        score=found.score,
        confidence=choice.confidence if choice is not None and choice.place == place else None,
        latency=sum(known) if len(known) == len(times) else None,
        failed=failed,
        is_other_version=_is_version(instance, trial),
    )


def _predictions(path: Path) -> Iterator[Record]:
    instances = path.parent / "instances.json"
    known = {}
    for number, instance in enumerate(json_rows(instances)):
        with reading(instances, f"instance {number}"):
            if not instance.get("perturbation"):
                known[str(instance["id"])] = instance
    specification = path.parent / "run_spec.json"
    model, method = _model(path.parent), ""
    if specification.exists():
        content = json_document(specification)
        with reading(specification):
            model = str(content["adapter_spec"].get("model") or model)
            method = str(content["adapter_spec"].get("method"))
    task = _task(path.parent)
    number = -1
    for number, row in enumerate(json_rows(path)):
        with reading(path, f"prediction {number}"):
            if method in _OF_OPTIONS:
                record = _of_chosen(model, task, row, known)
            elif row.get("reference_index") is not None:
                raise UserError(
                    "its run has a request for each option, and has no run_spec.json that says how it was chosen"
                )
            else:
                record = _of_prediction(model, task, row, known)
        if record is not None:
            yield record
    if number < 0:
        raise UserError(f"{path} has no predictions. Is it the file of a run?")


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


def _of_chosen(model: str, task: str, row: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> Record | None:
    """The record of a prediction of a run with a request for each option; None if it is that of an option not chosen."""
    values = {name: number_of(value) for name, value in (row.get("stats") or {}).items()}
    place = count_of(values.get("predicted_index"))
    if place is None:
        raise UserError("does not say which option was chosen (predicted_index). Give the run's scenario_state.json")
    if row.get("reference_index") not in (None, place):
        return None
    instance = known.get(str(row["instance_id"]))
    if instance is None:
        return Record(model, None)
    asked = _of_references(instance, task)
    found = _without_ties(_Judged(_metric(values), place), instance)
    return Record(
        model,
        asked,
        answer=_letter(found.place, asked.options),
        score=found.score,
        is_other_version=bool(row.get("perturbation")) or int(row.get("train_trial_index") or 0) > 0,
    )


def _of_references(instance: Mapping[str, Any], task: str) -> Asked:
    """The question of an instance whose references are its options."""
    asked, _ = _asked(instance, None, None, task)
    options = tuple(_references(instance))
    if len(options) < 2:
        raise UserError("has fewer than two references")
    return Asked(asked.text, options, asked.gold, task=task)


def _without_ties(judged: _Judged, instance: Mapping[str, Any]) -> _Judged:
    """``judged``, or nothing if HELM found all options equal: then no log-probability was known.

    Its score is then the share of right options, and its choice the first.
    """
    right = [_is_correct(reference) for reference in instance["references"]]
    share = sum(right) / len(right)
    is_tied = judged.score is not None and 0 < judged.score < 1 and math.isclose(judged.score, share, abs_tol=1e-6)
    return _Judged() if is_tied else judged


def _letter(place: int | None, options: Sequence[str]) -> str | None:
    if place is None:
        return None
    if place >= len(options):
        raise UserError(f"the chosen option {place} does not exist: there are {len(options)}")
    return chr(ord("A") + place)


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


def _judged(path: Path) -> dict[tuple[str, int], _Judged]:
    """What HELM found for every instance and trial; the score is that of the first metric that the run has."""
    if not path.exists():
        return {}
    judged = {}
    for number, row in enumerate(json_rows(path)):
        with reading(path, f"entry {number}"):
            if row.get("perturbation"):
                continue
            means = {
                str(inside(stat, "name", "name")): number_of(stat.get("mean"))
                for stat in row["stats"]
                if not inside(stat, "name", "perturbation")
            }
            found = _Judged(_metric(means), count_of(means.get("predicted_index")))
            if found != _Judged():
                judged[str(row["instance_id"]), int(row.get("train_trial_index") or 0)] = found
    return judged


def _metric(values: Mapping[str, float | None]) -> float | None:
    return next((value for name in _METRICS if (value := values.get(name)) is not None and 0 <= value <= 1), None)
