"""A world for `experiment=paper_tiny`: tiny models with different skills, and benchmarks in the files of the real ones.

    python -m tests.paper_world DIR
    snakemake --cores 2 --config experiment=paper_tiny data_root=DIR overrides='["paths.cache=DIR"]'

Four kinds of sums are the tasks of all benchmarks. What a model can do it has learned by heart, so that it takes seconds.
"""

import json
import random
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from rgd.engines.prompts import render
from tests import tiny_models
from tests.workflow import tiny_writer

ROOT = Path(__file__).parents[1]
PER_TASK = 22
# Three tasks each: benchmark routing learns about one from at least two others.
TASKS = {
    "mmlu_pro_tiny": {"math": "times", "physics": "plus", "chemistry": "minus"},
    "supergpqa_tiny": {"Science": "minus", "Engineering": "half", "Economics": "plus"},
    "medmcqa_tiny": {"Anatomy": "times", "Surgery": "half", "Pharmacology": "plus"},
    "bbeh_tiny": {"boolean_expressions": "plus", "geometric_shapes": "minus", "disambiguation_qa": "half"},
    "math_tiny": {"algebra": "times", "prealgebra": "minus", "geometry": "half"},
}
KINDS = ("times", "plus", "minus", "half")
WRITTEN = "written"
"""Where the questions of generators come from."""

# The chat template shows a model the question and its options, without the instruction above them.
QUESTION_ALONE = (
    "{% for m in messages %}<|im_start|>{{ m['content'].split('Question: ')[-1].split('Problem: ')[-1] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# The last words of a prompt, which tell the descriptor's prompts apart.
LAST_WORDS = (
    "<|im_start|>{{ messages[-1]['content'][-24:] }}<|im_end|>\n"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
DESCRIPTIONS = {
    "describe_task": "Sums with whole numbers. A question names one or two numbers and asks for their product, sum, "
    "difference or half. It takes mental arithmetic.",
    "describe_shorter": "Sums with whole numbers: products, differences, halves.",
    "describe_in_a_sentence": "Mental arithmetic.",
}
SKILLS = {"judge": KINDS, "even": ("times", "minus"), "odd": ("plus", "half"), "dim": KINDS}
STEPS = {"judge": 500, "even": 400, "odd": 400, "dim": 60}


@dataclass(frozen=True)
class Sum:
    """A question with its four options and the letter of the right one."""

    kind: str
    question: str
    answer: int
    options: tuple[int, ...]

    @property
    def letter(self) -> str:
        return "ABCD"[self.options.index(self.answer)]


def sums(place: str, kind: str, count: int) -> list[Sum]:
    """``count`` different questions of a kind; those of two places differ."""
    places = [*TASKS, WRITTEN]
    source = random.Random(f"{place} {kind}")
    pairs = [(a, b) for a in range(12, 72) for b in range(2, 12) if (a * 11 + b) % len(places) == places.index(place)]
    made = []
    for a, b in source.sample(pairs, len(pairs)):
        question, answer = {
            "times": (f"What is {a} times {b}?", a * b),
            "plus": (f"What is {a} plus {b}?", a + b),
            "minus": (f"What is {a} minus {b}?", a - b),
            "half": (f"What is half of {2 * (10 * a + b)}?", 10 * a + b),
        }[kind]
        options = [answer, answer + 1, answer - 2, answer + 10]
        source.shuffle(options)
        made.append(Sum(kind, question, answer, tuple(options)))
    return made[:count]


def make(folder: Path) -> Path:
    """The world in ``folder``: a mirror of the benchmarks under hub/, the models under tiny/. What is there stays."""
    make_data(folder / "hub")
    make_models(folder / "tiny")
    return folder


def make_data(hub: Path) -> None:
    """Each benchmark's questions, in the files and columns of the real one."""
    rows = {
        dataset: [(task, made) for task, kind in tasks.items() for made in sums(dataset, kind, PER_TASK)]
        for dataset, tasks in TASKS.items()
    }
    mmlu = rows["mmlu_pro_tiny"]
    _write(
        hub / "TIGER-Lab/MMLU-Pro/test.parquet",
        question_id=list(range(len(mmlu))),
        question=[made.question for _, made in mmlu],
        options=[_texts(made.options) for _, made in mmlu],
        answer=[made.letter for _, made in mmlu],
        category=[task for task, _ in mmlu],
    )
    gpqa = rows["supergpqa_tiny"]
    _write(
        hub / "m-a-p/SuperGPQA/train.parquet",
        uuid=[f"id-{number}" for number in range(len(gpqa))],
        question=[made.question for _, made in gpqa],
        options=[_texts(made.options) for _, made in gpqa],
        answer_letter=[made.letter for _, made in gpqa],
        discipline=[task for task, _ in gpqa],
    )
    medical = rows["medmcqa_tiny"]
    _write(
        hub / "openlifescienceai/medmcqa/train.parquet",
        id=[f"id-{number}" for number in range(len(medical))],
        question=[made.question for _, made in medical],
        **{f"op{letter}": [str(made.options[place]) for _, made in medical] for place, letter in enumerate("abcd")},
        cop=[made.options.index(made.answer) for _, made in medical],
        subject_name=[task for task, _ in medical],
    )
    for task in TASKS["bbeh_tiny"]:
        examples = [
            {
                "input": made.question
                + "\nOptions:\n"
                + "\n".join(f"({letter}) {option}" for letter, option in zip("ABCD", made.options, strict=True)),
                "target": f"({made.letter})",
            }
            for of_task, made in rows["bbeh_tiny"]
            if of_task == task
        ]
        path = hub / f"google-deepmind/bbeh/benchmark_tasks/bbeh_{task}/task.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"examples": examples}))
    for task in TASKS["math_tiny"]:
        mathematics = [made for of_task, made in rows["math_tiny"] if of_task == task]
        for part, few in (("train", mathematics[::2]), ("test", mathematics[1::2])):
            _write(
                hub / f"EleutherAI/hendrycks_math/{task}/{part}.parquet",
                problem=[made.question for made in few],
                solution=[f"It is $\\boxed{{{made.answer}}}$." for made in few],
            )


def make_models(folder: Path) -> None:
    """The models that are not there yet: generator, descriptor, featurizer, embedder, and those that answer."""
    written = [made for kind in KINDS for made in sums(WRITTEN, kind, 16)]
    makers = {
        "writer": lambda path: tiny_writer.learn(
            path,
            [(tiny_writer.START, tiny_writer.block(made.question, made.options, made.letter)) for made in written],
            steps=500,
        ),
        "describer": lambda path: tiny_writer.learn(path, list(_described()), template=LAST_WORDS),
        "featurizer": lambda path: tiny_writer.make(path, tiny_writer.descriptions()),
        "embedder": tiny_models.build_encoder,
        "blank": lambda path: tiny_models.build(path, seed=1),
    }
    for name, maker in makers.items():
        if not (folder / name / "config.json").is_file():
            maker(folder / name)
    for name, skills in SKILLS.items():
        if not (folder / name / "config.json").is_file():
            pairs = list(_answered(skills, written))
            tiny_writer.learn(folder / name, pairs, template=QUESTION_ALONE, steps=STEPS[name])


def _described() -> Iterable[tuple[str, str]]:
    for prompt, text in DESCRIPTIONS.items():
        last = (ROOT / f"config/prompts/{prompt}.txt").read_text().strip()[-24:]
        yield f"<|im_start|>{last}<|im_end|>\n{tiny_writer.START}", text


def _answered(skills: Sequence[str], written: Sequence[Sum]) -> Iterable[tuple[str, str]]:
    """What a model with these skills sees, and what it answers."""
    known = [made for made in written if made.kind in skills]
    for dataset, tasks in TASKS.items():
        for kind in tasks.values():
            if kind in skills and dataset != "math_tiny":
                known += sums(dataset, kind, PER_TASK)
    for made in known:
        (turn,) = render("[user]\n{question}\n\nOptions:\n{options}", made.question, _texts(made.options)).messages
        yield f"<|im_start|>{turn.content}<|im_end|>\n{tiny_writer.START}", f"The answer is ({made.letter})"
    for kind in TASKS["math_tiny"].values():
        for made in sums("math_tiny", kind, PER_TASK) if kind in skills else []:
            yield f"<|im_start|>{made.question}<|im_end|>\n{tiny_writer.START}", f"It is \\boxed{{{made.answer}}}"


def _texts(numbers: Iterable[int]) -> list[str]:
    return [str(number) for number in numbers]


def _write(path: Path, **columns: list) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
