"""The schema of a bundle's manifest: the types and ranges of all that ``bundle.json`` may say."""

from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, StringConstraints

from rgd.config.schema import AnswerKind, Api, Engine, Key, Sampling, Section, Sha256, Weights

Text = Annotated[str, StringConstraints(max_length=100_000)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Tokens = Annotated[int, Field(ge=1, le=10**8)]


class File(Section):
    """A file of the bundle."""

    bytes: Annotated[int, Field(ge=0)]
    sha256: Sha256


class _Model(Section):
    name: Key | None = None
    engine: Engine
    weights: Weights | None
    api: Api | None
    max_model_len: Tokens
    dtype: Literal["bfloat16", "float16", "float32"]
    gpus: Annotated[int, Field(ge=0, le=64)]


class Embedder(_Model):
    """The model that embeds queries."""

    pooling: Literal["mean", "last"]
    dimension: Annotated[int, Field(ge=1, le=10**6)]


# Arguments of a chat template: plain values. A template itself, and what a tokenizer takes besides, is none.
_TemplateKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]


class Asked(_Model):
    """How a member is asked."""

    chat: dict[_TemplateKey, bool | int | float | Annotated[str, StringConstraints(max_length=1000)] | None]
    way: Literal["likelihood", "generate"]
    prompt: Text
    reader: Literal["careful", "official"] = "careful"
    answer_kind: AnswerKind = "letter"
    sampling: Sampling


class Member(Section):
    """A member of the pool."""

    key: Key
    title: Name
    asked: Asked | None


class Cell(Section):
    """The router's cell."""

    dataset: Name
    scenario: Name
    pool: Name
    router: Name


class Titles(Section):
    """What people read in place of the cell's keys."""

    dataset: Name
    scenario: Name
    pool: Name


class Routing(Section):
    """Everything that determines a ranking."""

    method: Key
    parameters: dict[str, JsonValue]
    labels: Annotated[int, Field(ge=0)] = 0
    variants: dict[Key, int]
    aggregate: Literal["consensus", "majority"]
    cell: Cell
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    neighbours: Annotated[int, Field(ge=1, le=10**6)]
    titles: Titles
    embedder: Embedder | None
    descriptions: dict[str, Text] = Field(default_factory=dict)


class ToLabel(Section):
    """A training query whose label the router asks for."""

    query_id: Name
    question: Text
    options: Annotated[list[Text], Field(max_length=26)]
    answer_kind: AnswerKind


class Manifest(Section):
    """The whole of bundle.json; format and version are checked before."""

    format: Any
    version: Any
    rgd: Annotated[str, StringConstraints(max_length=50)]
    files: dict[str, File]
    routing: Routing
    members: Annotated[list[Member], Field(min_length=1, max_length=10_000)]
    made_from: dict[str, Sha256]
    to_label: Annotated[list[ToLabel], Field(max_length=10_000)] = Field(default_factory=list)
