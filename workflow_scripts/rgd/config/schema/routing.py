"""config/pool and config/router: which members there are, and how a router chooses among them."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from rgd.config.schema.base import Key, Section


class Pool(Section):
    """config/pool/POOL.yaml: an ordered set of members."""

    title: str = Field(description="Name in tables and figures.")
    members: list[Key] = Field(
        min_length=2, description="Member keys: MODEL or MODEL-ASK, or the names of recorded files."
    )
    recorded: Key | None = Field(
        None,
        description="Folder of recorded answers: data_root/recorded/DATASET/RECORDED/MEMBER.parquet (or .csv, .tsv, .jsonl, .ndjson). Such a pool asks no model.",
    )
    files: dict[Key, Key] = Field(
        default_factory=dict,
        description="For recorded members whose key is not their file's name, that name. It tells apart two files of one name "
        "that answer the same dataset: its results are stored by member.",
    )
    parameters_billion: dict[Key, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, description="Sizes of recorded members, which have no file in config/model."
    )

    @model_validator(mode="after")
    def _sizes_are_of_members(self) -> "Pool":
        if self.recorded is None and self.parameters_billion:
            raise ValueError("parameters_billion is for recorded members; a model's own file gives its size")
        if self.recorded is None and self.files:
            raise ValueError("files is for recorded members: other members are models")
        for key in ("parameters_billion", "files"):
            unknown = sorted(set(getattr(self, key)) - set(self.members))
            if unknown:
                raise ValueError(f"{key} names {unknown[0]}, which is not a member of this pool")
        return self


class Router(Section):
    """config/router/ROUTER.yaml: a routing method and its parameters."""

    method: Key = Field(description="Module in rgd.routers.")
    variants: dict[Key, int] = Field(
        default_factory=dict,
        description="For each variant, a row of the cell: how many of the top-ranked members answer.",
    )
    aggregate: Literal["consensus", "majority"] = Field(
        "majority", description="How to combine several answers into one."
    )
    parameters: dict[str, Any] = Field(default_factory=dict, description="Parameters of the method's class.")
    labels: int = Field(
        0,
        ge=0,
        description="For methods that ask for labels: of how many training queries, which the router chooses, it gets the label. "
        "Labels are those of the dataset, or those that a person gave (`rgd label`).",
    )
    answer_text: Literal["answer", "option"] = Field(
        "answer",
        description="For methods that compare answers: embed what the member wrote, or the text of the option it chose.",
    )
    features: Key | None = Field(
        None, description="For methods that use an LLM's features of queries: a file in config/featurizer."
    )
    price: Literal["calls", "tokens", "dollars", "seconds"] = Field(
        "calls",
        description="For methods that weigh the price of a call, its unit: calls (1 each); tokens of prompt and answer; dollars, from "
        "api.price_prompt and api.price_completion in the models' files; seconds, from their answers_per_minute.",
    )
    prices: dict[Key, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(
        default_factory=dict, description="Price of a call to a member, in that unit; overrides the price above."
    )
