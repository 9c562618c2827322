"""Whether the model that a server names is the one that was asked."""

import re

# What providers append to the name of a model that is asked for: a date, or the number of a release.
_RELEASE = re.compile(r"[-@](?:v?\d[\d.-]*|latest)")


def is_asked(served: str, asked: str | None) -> bool:
    """Whether the model that a server names is the one asked for, or a release of it, as ``NAME-2024-07-18``.

    True where either is unknown. A name may be given with the path ``models/``, as Gemini's server does.
    """
    if not served or not asked:
        return True
    served, asked = (name.removeprefix("models/") for name in (served, asked))
    return served == asked or (served.startswith(asked) and _RELEASE.fullmatch(served[len(asked) :]) is not None)
