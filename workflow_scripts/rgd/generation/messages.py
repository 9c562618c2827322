"""The chat messages that ask a generator for one question."""

from collections.abc import Sequence
from dataclasses import dataclass

from rgd.errors import UserError
from rgd.generation.tagged_block import Rejection, parse, render


@dataclass(frozen=True)
class WorkedExample:
    """A description of a task and a block that answers it well."""

    description: str
    block: str


def read_example(text: str, name: str) -> WorkedExample:
    """Split the text of an example file into the description and the block that begins at its first ``[QUESTION]``.

    Args:
        text: the file's content.
        name: the file, for messages.

    Raises:
        UserError: no description, or no complete block after it.
    """
    description, tag, rest = text.partition("[QUESTION]")
    query = parse(tag + rest)
    if not description.strip():
        raise UserError(
            f"{name}: the worked example has no description. Put the task's description before the line of [QUESTION]."
        )
    if isinstance(query, Rejection):
        raise UserError(
            f"{name}: the worked example is not a complete block ({query.reason}). After the description it needs the "
            "lines [QUESTION], [OPTION A] to [OPTION D] with different texts, and [ANSWER] with one letter."
        )
    return WorkedExample(" ".join(description.split()), render(query))


def build_messages(instruction: str, examples: Sequence[WorkedExample], description: str) -> list[dict[str, str]]:
    """The messages for one draw; every draw of a task gets the same ones and differs only by its seed.

    Worked examples are earlier turns of the chat: small models copy the form of a turn far more reliably than they
    follow a description of it.

    Args:
        instruction: the system message.
        examples: shown in this order.
        description: of the task to write a question for; it is the last turn, like the examples' descriptions before it.

    Raises:
        UserError: ``description`` is empty.
    """
    if not description.strip():
        raise UserError("a task's description is empty. Write one under `tasks` in the dataset's file.")
    messages = [{"role": "system", "content": instruction.strip()}]
    for example in examples:
        messages.append({"role": "user", "content": example.description})
        messages.append({"role": "assistant", "content": example.block})
    messages.append({"role": "user", "content": " ".join(description.split())})
    return messages
