"""What all parts of the configuration share: keys, seeds, and the refusal of unknown keys."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from rgd.errors import UserError
from rgd.terminal import printable

KEY_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"

Key = Annotated[str, StringConstraints(pattern=KEY_PATTERN, max_length=80)]
"""A name that becomes part of a path: letters, digits, dot, underscore, hyphen; no leading dot, no slash."""


def _task_name(name: str) -> str:
    """A task's name in Unicode's composed form; raises ValueError where it has what no name has."""
    text = unicodedata.normalize("NFC", name)
    if not text or text != text.strip() or len(text) > 100 or "\n" in text or "\t" in text or printable(text) != text:
        raise ValueError("a task's name has up to 100 characters, no spaces around it and no control characters")
    return text


TaskName = Annotated[str, AfterValidator(_task_name)]
"""The name of a task, in any alphabet."""

SIZE_PATTERN = r"^[1-9][0-9]*[km]$"

SizeKey = Annotated[str, StringConstraints(pattern=SIZE_PATTERN, max_length=10)]
"""A suffix of scenarios: a number with k or m. The dataset defines its meaning."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

COMMIT = re.compile(r"[0-9a-f]{40}")
"""The full hash of a commit."""

RepositoryName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*/\.?[A-Za-z0-9_-][A-Za-z0-9_.-]*$", max_length=200)
]
"""A repository as owner/name. Neither can be a folder above, a command's option or anything that a shell reads."""

Revision = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./+@-]*$", max_length=200)]
"""A commit, tag or branch."""

_PART = r"[A-Za-z0-9_][A-Za-z0-9_.+@ -]*"
RelativeFile = Annotated[str, StringConstraints(pattern=rf"^({_PART}/)*{_PART}$", max_length=300)]
"""A file below a folder: no absolute path, no part that begins with a dot, no backslash, no control character."""

Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Section(BaseModel):
    """A part of the configuration in which an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @classmethod
    def read(cls, content: Mapping[str, Any], where: str) -> Self:
        """The section from plain types that do not come from the configuration, such as those in a bundle.

        Args:
            content: the section's keys and values.
            where: its name in messages.

        Raises:
            UserError: names the first wrong key, without its value, which may be a secret.
        """
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            key = ".".join([where, *map(str, first["loc"])])
            raise UserError(f"{key}: {first['msg']}. In a bundle: export the router again.") from None
