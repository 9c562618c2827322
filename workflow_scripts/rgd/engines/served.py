"""Whether the model that a server reports is the requested one."""

import re

# What providers append to a requested name: a date or a release number.
_RELEASE = re.compile(r"[-@](?:v?\d[\d.-]*|latest)")


def is_asked(served: str, asked: str | None) -> bool:
    """Whether the model that a server reports is the requested one, or a release of it such as ``NAME-2024-07-18``.

    True if either is unknown. The prefix ``models/``, which Gemini's server adds, is ignored.
    """
    if not served or not asked:
        return True
    served, asked = (name.removeprefix("models/") for name in (served, asked))
    return served == asked or (served.startswith(asked) and _RELEASE.fullmatch(served[len(asked) :]) is not None)
