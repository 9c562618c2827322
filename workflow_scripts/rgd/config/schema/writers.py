"""config/generator, config/descriptor and config/featurizer: models that write queries, descriptions and features."""

from pydantic import Field

from rgd.config.schema.base import Key, Section, Seed
from rgd.config.schema.models import Engine


class Generator(Section):
    """config/generator/GENERATOR.yaml: a model that writes queries. Its name, with or without suffixes, is a scenario's key."""

    title: str = Field(description="Name in tables and figures.")
    model: Key = Field(description="The model that writes, a file in config/model.")
    engine: Engine | None = Field(
        None, description="What runs the model when it writes; null: the engine in the model's file."
    )
    prompt: Key = Field(description="The instruction, config/prompts/PROMPT.txt.")
    examples: list[Key] = Field(
        default_factory=list,
        description="Worked examples, config/prompts/EXAMPLE.txt, shown as earlier turns of the chat.",
    )
    temperature: float = Field(0.8, ge=0, le=5, description="0 is greedy.")
    top_p: float = Field(0.95, gt=0, le=1, description="Nucleus sampling.")
    max_tokens: int = Field(ge=16, description="Maximum length of a query, in tokens.")
    seed: Seed = Field(0, description="Seed from which each draw of a task derives its own.")
    max_draws_per_task: int = Field(
        ge=1, description="Maximum draws per task. Drawing stops there even if too few queries are usable."
    )
    answers_epoch: int = Field(0, ge=0, description="Raise it to draw everything again.")


class DescriptorPrompts(Section):
    default: Key = Field(description="Shows the questions at {questions} and asks for a description.")
    short: Key = Field(description="Shows the default description at {description} and asks for a shorter one.")
    shortest: Key = Field(description="Shows the default description at {description} and asks for one sentence.")


class Descriptor(Section):
    """config/descriptor/DESCRIPTOR.yaml: a model that describes tasks. It sees only their reserved questions."""

    title: str = Field(description="Name in tables and figures.")
    model: Key = Field(description="The model that writes, a file in config/model.")
    engine: Engine | None = Field(
        None, description="What runs the model when it writes; null: the engine in the model's file."
    )
    prompts: DescriptorPrompts = Field(description="For each kind of description, a prompt config/prompts/PROMPT.txt.")
    temperature: float = Field(0.0, ge=0, le=5, description="0 is greedy.")
    top_p: float = Field(1.0, gt=0, le=1, description="Nucleus sampling.")
    max_tokens: int = Field(
        ge=16, description="Maximum length of a description, in tokens; one that is cut off is an error."
    )
    seed: Seed = Field(0, description="Seed from which each task derives its own.")
    answers_epoch: int = Field(0, ge=0, description="Raise it to describe everything again.")


class Featurizer(Section):
    """config/featurizer/FEATURIZER.yaml: a model that describes queries for the routers that name it."""

    title: str = Field(description="Name in tables and figures.")
    model: Key = Field(description="The model that writes, a file in config/model.")
    engine: Engine | None = Field(
        None, description="What runs the model when it writes; null: the engine in the model's file."
    )
    prompt: Key = Field(description="The prompt, config/prompts/PROMPT.txt, with the placeholder {question}.")
    temperature: float = Field(0.0, ge=0, le=5, description="0 is greedy.")
    top_p: float = Field(1.0, gt=0, le=1, description="Nucleus sampling.")
    max_tokens: int = Field(
        ge=16, description="Maximum length of a text, in tokens. A text that is cut off is still read."
    )
    seed: Seed = Field(0, description="Seed from which each query derives its own.")
    answers_epoch: int = Field(0, ge=0, description="Raise it to ask about everything again.")
