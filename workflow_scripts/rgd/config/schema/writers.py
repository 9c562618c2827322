"""config/generator, config/descriptor and config/featurizer: models that write queries, descriptions and features."""

from pydantic import Field

from rgd.config.schema.base import Key, Section, Seed
from rgd.config.schema.models import Engine


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
