"""When two questions, or two options, count as the same text."""

import unicodedata


def normalise_question(text: str) -> str:
    """``text`` in the form in which questions are compared for repetition.

    Case, white space, the Unicode way of writing a character and the final punctuation do not matter; everything
    else does, so that "3 + 2" and "3 - 2" stay apart.
    """
    return " ".join(unicodedata.normalize("NFC", text).casefold().split()).rstrip(" .?!:")


def normalise_option(text: str) -> str:
    """``text`` in the form in which options are compared: as for questions, but case counts (Co is not CO)."""
    return " ".join(unicodedata.normalize("NFC", text).split()).rstrip(" .")
