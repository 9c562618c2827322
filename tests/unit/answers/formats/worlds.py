"""Small files in each outside format: two models, four questions with options A to D, of which the right answers are A to D."""

import csv
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

LETTERS = "ABCD"
MODELS = ("org/first", "org/second")
NAMES = ("org__first", "org__second")
SIZE = 4
RIGHT = (4, 2)
"""How many of the four each model has right: the second answers A to the first two, and is right twice with D to the last."""
ANSWERS = (LETTERS, "AACA")


def question(number: int) -> str:
    return f"Which thing has the number {number}?"


def options(number: int) -> list[str]:
    return [f"thing {place} of {number}" for place in range(SIZE)]


def prompt(number: int) -> str:
    lines = [f"{letter}. {option}" for letter, option in zip(LETTERS, options(number), strict=True)]
    return "\n".join([question(number), *lines, "Answer:"])


def lines(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def document(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def table(path: Path, rows: list[list[Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def lm_eval(folder: Path) -> list[Path]:
    """Multiple choice for the first model, generation for the second."""
    files = []
    for model, name, answers in zip(MODELS, NAMES, ANSWERS, strict=True):
        rows = []
        for n in range(SIZE):
            right = float(answers[n] == LETTERS[n])
            row = {"doc_id": n, "doc": {"question": question(n), "choices": options(n), "answer": n}, "target": str(n)}
            if name == NAMES[0]:
                sums = [["-1.0" if letter == answers[n] else "-5.0", "False"] for letter in LETTERS]
                requests = {
                    f"gen_args_{k}": {"arg_0": prompt(n), "arg_1": f" {letter}"} for k, letter in enumerate(LETTERS)
                }
                row |= {"arguments": requests, "resps": [[each] for each in sums], "filtered_resps": sums, "acc": right}
            else:
                requests = {"gen_args_0": {"arg_0": prompt(n), "arg_1": {"until": ["\n"]}}}
                said = f"The answer is ({answers[n]})."
                row |= {"arguments": requests, "resps": [[said]], "filtered_resps": [said], "exact_match": right}
            rows.append(row)
        files.append(lines(folder / name / "samples_things_2025-01-01T00-00-00.000000.jsonl", rows))
        document(folder / name / "results_2025-01-01T00-00-00.000000.json", {"model_name": model})
    return files


def openai_batch(folder: Path) -> list[Path]:
    files = [
        table(
            folder / "questions.csv",
            [
                ["custom_id", "question", *LETTERS, "answer"],
                *([f"q{n}", question(n), *options(n), LETTERS[n]] for n in range(SIZE)),
            ],
        )
    ]
    for model, name, answers in zip(MODELS, NAMES, ANSWERS, strict=True):
        rows = []
        for n in reversed(range(SIZE)):
            tokens = [{"token": "x", "logprob": -0.1}, {"token": answers[n], "logprob": -0.3}]
            choice = {
                "message": {"content": f"Answer: {answers[n]}"},
                "logprobs": {"content": tokens},
                "finish_reason": "stop",
            }
            body = {"model": model, "choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": 2}}
            rows.append({"custom_id": f"q{n}", "response": {"status_code": 200, "body": body}, "error": None})
        files.append(lines(folder / f"{name}.jsonl", rows))
    return files


def inspect_log(model: str, answers: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The header and the samples of a log."""
    samples = [
        {
            "id": n,
            "epoch": 1,
            "input": question(n),
            "choices": options(n),
            "target": LETTERS[n],
            "output": {
                "choices": [{"message": {"content": f"ANSWER: {answers[n]}"}, "stop_reason": "stop"}],
                "usage": {"input_tokens": 7, "output_tokens": 3},
                "time": 0.5,
            },
            "scores": {"choice": {"value": "C" if answers[n] == LETTERS[n] else "I", "answer": answers[n]}},
        }
        for n in range(SIZE)
    ]
    return {"model": model, "task": "evals/things"}, samples


def inspect(folder: Path) -> list[Path]:
    """The first model's log is JSON, the second's a zip archive."""
    evaluated, samples = inspect_log(MODELS[0], ANSWERS[0])
    files = [document(folder / "first.json", {"version": 2, "eval": evaluated, "samples": samples})]
    evaluated, samples = inspect_log(MODELS[1], ANSWERS[1])
    path = folder / "second.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps({"version": 2, "eval": evaluated}))
        for sample in samples:
            archive.writestr(f"samples/{sample['id']}_epoch_1.json", json.dumps(sample))
    return [*files, path]


def _instance(n: int) -> dict[str, Any]:
    references = [
        {"output": {"text": option}, "tags": ["correct"] if place == n else []}
        for place, option in enumerate(options(n))
    ]
    return {"input": {"text": question(n)}, "references": references, "split": "test", "id": f"id{n}"}


def helm(folder: Path) -> list[Path]:
    """The first model's run has a state, with the options in reverse; the second's has instances and predictions."""
    run = folder / "things:subject=x,method=multiple_choice_joint,model=org_first"
    states = []
    for n in range(SIZE):
        shown = dict(zip(LETTERS, reversed(options(n)), strict=True))
        letter = LETTERS[SIZE - 1 - LETTERS.index(ANSWERS[0][n])]
        completion = {"text": f" {letter}", "logprob": -0.2, "tokens": [{"text": f" {letter}", "logprob": -0.2}]}
        states.append(
            {
                "instance": _instance(n),
                "train_trial_index": 0,
                "output_mapping": shown,
                "request": {"prompt": prompt(n)},
                "result": {"success": True, "completions": [completion], "request_time": 0.25},
            }
        )
    specification = {"method": "multiple_choice_joint", "model": MODELS[0]}
    files = [document(run / "scenario_state.json", {"adapter_spec": specification, "request_states": states})]
    run = folder / "things:subject=x,method=multiple_choice_joint,model=org_second"
    document(run / "instances.json", [_instance(n) for n in range(SIZE)])
    document(run / "run_spec.json", {"adapter_spec": {"method": "multiple_choice_joint", "model": MODELS[1]}})
    predictions = [
        {
            "instance_id": f"id{n}",
            "train_trial_index": 0,
            "predicted_text": f" {ANSWERS[1][n]}",
            "mapped_output": options(n)[LETTERS.index(ANSWERS[1][n])],
            "stats": {"exact_match": float(ANSWERS[1][n] == LETTERS[n]), "num_output_tokens": 1},
        }
        for n in range(SIZE)
    ]
    return [*files, document(run / "display_predictions.json", predictions)]


def llmrouterbench(folder: Path) -> list[Path]:
    files = []
    for model, name, answers in zip(MODELS, NAMES, ANSWERS, strict=True):
        rows = [
            {
                "index": n,
                "origin_query": prompt(n),
                "prediction": answers[n],
                "ground_truth": LETTERS[n],
                "raw_output": f"It is {answers[n]}.",
                "score": float(answers[n] == LETTERS[n]),
                "prompt_tokens": 9,
                "completion_tokens": 4,
                "cost": 0.001,
            }
            for n in range(SIZE)
        ]
        files.append(
            document(folder / name / "1.json", {"model_name": model, "dataset_name": "things", "records": rows})
        )
    return files


def routerbench(folder: Path) -> list[Path]:
    header = ["sample_id", "prompt", "eval_name", *MODELS]
    header += [f"{model}|model_response" for model in MODELS] + [f"{model}|total_cost" for model in MODELS]
    rows = [
        [f"s{n}", str([prompt(n)]), "things"]
        + [float(answers[n] == LETTERS[n]) for answers in ANSWERS]
        + [str([answers[n]]) for answers in ANSWERS]
        + [0.001, 0.002]
        for n in range(SIZE)
    ]
    return [table(folder / "wide.csv", [header, *rows])]


def routellm(folder: Path) -> list[Path]:
    rows = [[prompt(n), *(answers[n] == LETTERS[n] for answers in ANSWERS)] for n in range(SIZE)]
    return [table(folder / "things.csv", [["prompt", *MODELS], *rows])]


def routerarena(folder: Path) -> list[Path]:
    files = []
    for model, name, answers in zip(MODELS, NAMES, ANSWERS, strict=True):
        rows = [
            {
                "global_index": f"things_{n}",
                "question": prompt(n),
                "llm_selected": model,
                "generated_answer": f"\\boxed{{{answers[n]}}}",
                "token_usage": {"input_tokens": 9, "output_tokens": 3},
                "success": True,
                "evaluation_result": {
                    "ground_truth": str(n),
                    "score": float(answers[n] == LETTERS[n]),
                    "inference_cost": 0.001,
                },
            }
            for n in range(SIZE)
        ]
        files.append(lines(folder / f"{name}.jsonl", rows))
    return files


def opencompass(folder: Path) -> list[Path]:
    files = []
    for name, answers in zip(NAMES, ANSWERS, strict=True):
        rows = {
            str(n): {"origin_prompt": prompt(n), "prediction": f"The answer is {answers[n]}", "gold": LETTERS[n]}
            for n in range(SIZE)
        }
        files.append(document(folder / name / "things.json", rows))
    return files


def litellm(folder: Path) -> list[Path]:
    """The first model's calls are lines, the second's a list."""
    calls = [
        [
            {
                "model": model,
                "status": "success",
                "messages": [{"role": "user", "content": prompt(n)}],
                "response": {"choices": [{"message": {"content": answers[n]}, "finish_reason": "stop"}]},
                "prompt_tokens": 9,
                "completion_tokens": 1,
                "response_cost": 0.001,
                "response_time": 0.5,
            }
            for n in range(SIZE)
        ]
        for model, answers in zip(MODELS, ANSWERS, strict=True)
    ]
    return [lines(folder / "first.jsonl", calls[0]), document(folder / "second.json", calls[1])]


def long_table(folder: Path) -> list[Path]:
    rows = [
        [question(n), json.dumps(options(n)), LETTERS[n], model, answers[n], 1.5]
        for model, answers in zip(MODELS, ANSWERS, strict=True)
        for n in range(SIZE)
    ]
    return [table(folder / "answers.csv", [["q", "opts", "gold", "llm", "said", "usd"], *rows])]


COLUMNS = {"question": "q", "options": "opts", "label": "gold", "model": "llm", "answer": "said", "cost": "usd"}

WORLDS: dict[str, Callable[[Path], list[Path]]] = {
    "helm": helm,
    "inspect": inspect,
    "litellm": litellm,
    "llmrouterbench": llmrouterbench,
    "lm_eval": lm_eval,
    "openai_batch": openai_batch,
    "opencompass": opencompass,
    "routellm": routellm,
    "routerarena": routerarena,
    "routerbench": routerbench,
    "table": long_table,
}
"""The files of each format, written to a folder."""

WITHOUT_LETTERS = ("routellm",)
WITHOUT_LABELS = ("litellm", "routellm")
