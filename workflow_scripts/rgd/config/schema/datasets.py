"""config/dataset: where questions come from, and their tasks."""

import re
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from rgd.config.hints import nearest
from rgd.config.schema.base import Key, RepositoryName, Section, Seed, SizeKey, TaskName
from rgd.datasets import adapters

MATHEMATICS = "mathematics"

FREE_FORM = "free_form"
"""The adapter of questions without options whose answers are numbers, a few words, or yes and no."""

DESCRIBED = "described"
"""The adapter of tasks that are only described: it reads no questions, so no router can be tested."""

MULTIPLE_CHOICE = "multiple_choice"

TABLE_ADAPTERS = (MULTIPLE_CHOICE, MATHEMATICS, FREE_FORM)
"""The adapters that read any table of questions, by the columns that the dataset's file gives."""

AnswerKind = Literal["letter", "option_text", "yes_no", "number", "text", "latex", "score"]
ADMISSIBLE_KINDS: dict[str, tuple[AnswerKind, ...]] = {
    MULTIPLE_CHOICE: ("letter", "option_text"),
    MATHEMATICS: ("latex",),
    FREE_FORM: ("number", "text", "yes_no", "score"),
    DESCRIBED: ("letter", "option_text"),
}
"""The kinds of answers of an adapter's questions, its default first; other adapters have letters."""


class Tolerance(Section):
    """When two answers that are numbers are equal: if they differ by at most the larger of the two."""

    absolute: float = Field(0.0, ge=0, description="The largest difference.")
    relative: float = Field(0.000001, ge=0, lt=1, description="The same as a share of the larger number.")


class Columns(Section):
    """The columns of a table of questions, for the adapters multiple_choice, mathematics and free_form."""

    id: str | None = Field(None, description="The question's id; null: made from the file's name and the row number.")
    question: str = Field(description="The question's text.")
    options: str | Annotated[list[str], Field(min_length=2)] | None = Field(
        None,
        description="For multiple_choice: one column with the list of options (as JSON in CSV), or a list of columns with one "
        "option each, where the last may be empty.",
    )
    same_options: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=2)] | None = Field(
        None,
        description="For multiple_choice, in the place of `options`: the options of every question, as the classes of a task.",
    )
    label: str | None = Field(
        None,
        description="The right answer; null: the questions have no labels, so routers that learn from labels and tables of accuracies "
        "are left out. answer_kind `score` has none either: its scores are the recorded answers.",
    )
    label_form: Literal["letter", "index_from_0", "index_from_1", "text", "boxed"] | None = Field(
        None,
        description="How the label gives the answer: the option's letter, its number counted from 0 or 1, or its text. For "
        "mathematics: the text of the answer, or a solution whose last \\boxed{} holds it. For free_form: text.",
    )
    task: str | None = Field(
        None, description="The question's task; null: {task} in source.file, else the dataset's only task."
    )
    part: str | None = Field(
        None,
        description="`train` or `test`, for a dataset with its own split; null: {part} in source.file, if any.",
    )


class Source(Section):
    """Where a benchmark's rows come from: a dataset on the hub, fetched or mirrored, or your own file."""

    repo: RepositoryName | None = Field(
        None,
        description="Repository, as owner/name; a mirror holds it as data_root/hub/OWNER/NAME. null: `file` is your own file.",
    )
    host: Literal["huggingface", "github"] = Field("huggingface", description="Where the repository is.")
    revision: str | None = Field(
        None,
        description="Commit to fetch (40 hexadecimal digits); null: only a mirror can be read.",
    )
    file: str = Field(
        min_length=1,
        description="Name of the file in the mirror's folder (.parquet, .jsonl, .ndjson, .csv or .tsv; .json for bbeh). {task} and {part} (train, "
        "test) stand for one file each. For your own file: its path, absolute or under data_root.",
    )
    remote: str | Annotated[list[str], Field(min_length=1)] | None = Field(
        None,
        description="The file's name in the repository, or the names of its pieces, with {task} and {part} as in `file`; null: "
        "same as `file`. Pieces, and files in other formats, are converted to one Parquet file.",
    )
    columns: Columns | None = Field(None, description="The table's columns, for adapters that read tables.")
    rows: int | None = Field(None, ge=1, description="Use only this many first rows of each file; null: all.")
    sample: dict[Literal["train", "test"], Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict,
        description="How many questions of a part are used, drawn with the dataset's seed. Other parts are used whole.",
    )
    accept: list[Literal["one_option", "repeated_option"]] = Field(
        default_factory=list,
        description="Faults that are accepted, to keep a benchmark's published number of questions; otherwise such rows are dropped.",
    )

    @model_validator(mode="after")
    def _names_files_that_can_be(self) -> "Source":
        if self.repo is None and (self.revision is not None or self.remote is not None):
            raise ValueError("revision and remote need a repository, but repo is null: give repo, or remove them")
        remote = [self.remote] if isinstance(self.remote, str) else self.remote or []
        for name in [self.file, *remote]:
            unknown = sorted(set(re.findall(r"\{([^}]*)\}", name)) - {"task", "part"})
            if unknown:
                raise ValueError(f"{name} has the placeholder {{{unknown[0]}}}: use only {{task}} and {{part}}")
            if self.repo is not None and (name.startswith("/") or ".." in name.split("/")):
                raise ValueError(f"{name} is outside the repository's folder: name a file in it")
        return self


def _names_of_files(source: Source) -> list[str]:
    return [source.file, *([source.remote] if isinstance(source.remote, str) else source.remote or [])]


class Dataset(Section):
    """config/dataset/DATASET.yaml: a benchmark."""

    title: str = Field(description="Name in tables and figures.")
    adapter: Key = Field(description="Module in rgd.datasets that reads the questions.")
    source: Source | None = Field(None, description="Where the benchmark is read from, for adapters that read one.")
    seed: Seed = Field(
        0, description="Seed of `source.sample`. For the adapter `quickstart` it must be 1, the seed of its questions."
    )
    questions_per_task: int | None = Field(
        None,
        ge=4,
        description="For the adapter `quickstart`: questions per task, at most 60; null: all.",
    )
    question_tokens: float | None = Field(
        None,
        gt=0,
        description="Mean tokens of a question with its options, from which times and prices are estimated before the questions "
        "are made; null: 160, as MMLU-Pro's.",
    )
    tasks: dict[TaskName, Annotated[str, StringConstraints(strip_whitespace=True)]] = Field(
        default_factory=dict,
        description="For adapters that read tables it may be left out where nothing is generated: the tasks are then those of "
        "source.columns.task, or a single one. Each task with a human-written description. A name is that of the file's column, in any alphabet, or has "
        "underscores in place of all but letters and digits.",
    )
    examples: dict[TaskName, list[Annotated[str, Field(min_length=1)]]] = Field(
        default_factory=dict,
        description="For the adapter described: questions of each task, without answers, from which a descriptor writes the "
        "description.",
    )
    descriptor: Key | None = Field(
        None,
        description="File in config/descriptor, whose model writes the descriptions `default`, `short` and `shortest` for "
        "generators; null: `default` is the description under tasks. `human` is always the description under tasks.",
    )
    answer_kind: AnswerKind | None = Field(
        None,
        description="How questions are answered: `letter` or `option_text` (multiple_choice), `number`, `text`, `yes_no` or "
        "`score` (free_form), `latex` (mathematics); null: the first of the adapter's. See [datasets.md](datasets.md#kinds-of-answers).",
    )
    answer_tolerance: Tolerance = Field(
        default_factory=lambda: Tolerance(), description="For answer_kind `number`: when two numbers are equal."
    )
    reserved_per_task: int = Field(
        0, ge=0, description="Questions per task that a descriptor may see; they are in no train or test part."
    )
    train_share: float = Field(0.6, gt=0, lt=1, description="Share of each task's questions in the train part.")
    embedder: Key = Field(description="File in config/embedder, whose model embeds this dataset's queries.")
    recorded: Key | None = Field(
        None, description="Folder of the dataset's recorded answers: data_root/recorded/RECORDED."
    )
    recorded_embeddings: str | None = Field(
        None, description="File in that folder with embeddings of the benchmark's queries; null: they are computed."
    )
    generated_queries: int | None = Field(
        None,
        ge=1,
        description="Number of queries in a generated scenario, spread evenly over the tasks; needed only by experiments with one.",
    )
    generated_sizes: dict[SizeKey, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict,
        description="Number of queries for each size suffix of a scenario, such as 20k for GENERATOR-20k.",
    )

    @property
    def has_questions(self) -> bool:
        """Whether there are questions to answer; tasks that are only described have none."""
        return self.adapter != DESCRIBED

    @property
    def is_tested(self) -> bool:
        """Whether routers can be tested: there are questions, and labels or scores that say which answers are good."""
        columns = None if self.source is None else self.source.columns
        return self.has_questions and (columns is None or columns.label is not None or self.kind == "score")

    @field_validator("adapter")
    @classmethod
    def _adapter_exists(cls, adapter: str) -> str:
        if adapter not in adapters():
            raise ValueError(
                "there is no such adapter in rgd.datasets. " + nearest(adapter, adapters()).removesuffix(".")
            )
        return adapter

    @model_validator(mode="after")
    def _names_of_files_are_safe(self) -> "Dataset":
        if not any("{task}" in name for name in ([] if self.source is None else _names_of_files(self.source))):
            return self
        for task in self.tasks:
            if task.startswith(".") or any(sign in task for sign in "/\\{}"):
                raise ValueError(
                    f"the task {task!r} cannot be part of a file's name, which source.file makes of it: name the task by a column"
                )
        return self

    @model_validator(mode="after")
    def _has_tasks_or_reads_them(self) -> "Dataset":
        if self.tasks:
            return self
        if self.adapter not in TABLE_ADAPTERS:
            raise ValueError(f"tasks is empty, but the adapter {self.adapter} needs them: name at least one")
        if self.source is not None and any("{task}" in name for name in _names_of_files(self.source)):
            raise ValueError("tasks is empty, but source.file has the placeholder {task}: name the tasks")
        if self.descriptor is not None:
            raise ValueError(
                "tasks is empty, but a descriptor describes named tasks: name them, or set descriptor: null"
            )
        return self

    @model_validator(mode="after")
    def _is_described_or_read(self) -> "Dataset":
        if self.has_questions:
            if self.examples:
                raise ValueError(
                    f"examples are only for the adapter {DESCRIBED}, because a benchmark has questions: remove them"
                )
            return self
        given = [name for name in ("source", "recorded", "recorded_embeddings") if getattr(self, name) is not None]
        if given:
            raise ValueError(f"the adapter {DESCRIBED} reads no questions: remove {given[0]}, or name another adapter")
        unknown = sorted(set(self.examples) - set(self.tasks))
        if unknown:
            raise ValueError(f"examples.{unknown[0]} does not belong to a task: add {unknown[0]} under tasks")
        empty = [task for task, text in self.tasks.items() if not text.strip()]
        if self.descriptor is None and empty:
            raise ValueError(
                f"tasks.{empty[0]} is empty, and descriptor = null: describe the task, or name a descriptor and give examples"
            )
        few = [task for task in self.tasks if len(self.examples.get(task, [])) < self.reserved_per_task]
        if self.descriptor is not None and few:
            raise ValueError(
                f"the descriptor needs {self.reserved_per_task} questions of {few[0]} (reserved_per_task), but examples has "
                f"{len(self.examples.get(few[0], []))}: add some, or set descriptor: null and describe the tasks yourself"
            )
        return self

    @property
    def kind(self) -> AnswerKind:
        """How a question is answered; one of :data:`rgd.answers.kinds.KINDS`."""
        return self.answer_kind or ADMISSIBLE_KINDS.get(self.adapter, ("letter",))[0]

    @model_validator(mode="after")
    def _has_a_kind_of_answer_that_its_adapter_has(self) -> "Dataset":
        admissible = ADMISSIBLE_KINDS.get(self.adapter, ("letter",))
        if self.kind not in admissible:
            raise ValueError(f"answer_kind = {self.kind}: the adapter {self.adapter} accepts {', '.join(admissible)}")
        if self.kind != "number" and "answer_tolerance" in self.model_fields_set:
            raise ValueError(f"answer_tolerance is for answer_kind: number, not for {self.kind}: remove it")
        return self

    @model_validator(mode="after")
    def _has_the_columns_that_its_adapter_reads(self) -> "Dataset":
        columns = None if self.source is None else self.source.columns
        if self.adapter in TABLE_ADAPTERS and columns is None:
            raise ValueError(f"the adapter {self.adapter} reads a table: give source.columns")
        if self.adapter not in TABLE_ADAPTERS:
            if columns is not None:
                raise ValueError(f"source.columns is for {' and '.join(TABLE_ADAPTERS)}, not for {self.adapter}")
            return self
        assert self.source is not None
        assert columns is not None
        given = sum(options is not None for options in (columns.options, columns.same_options))
        if given != (1 if self.adapter == MULTIPLE_CHOICE else 0):
            raise ValueError(
                "source.columns.options: multiple_choice requires options or same_options; mathematics and free_form have neither"
            )
        forms = {
            MULTIPLE_CHOICE: ("letter", "index_from_0", "index_from_1", "text"),
            MATHEMATICS: ("text", "boxed"),
            FREE_FORM: ("text",),
        }[self.adapter]
        if (columns.label is None) != (columns.label_form is None):
            raise ValueError(
                "source.columns: label and label_form go together: give both, or neither if there are no labels"
            )
        if self.kind == "score" and columns.label is not None:
            raise ValueError(
                "source.columns: for answer_kind: score, label and label_form must be null: scores stand in the recorded answers"
            )
        if columns.label_form is not None and columns.label_form not in forms:
            raise ValueError(
                f"source.columns.label_form = {columns.label_form}: {self.adapter} accepts {', '.join(forms)}"
            )
        if columns.task is None and "{task}" not in self.source.file and len(self.tasks) > 1:
            raise ValueError("the task of a row is unknown: give source.columns.task, or name only one task")
        return self
