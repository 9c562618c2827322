"""Task ``spelling``: the right spelling of a name among likely wrong ones."""

from functools import cache

import numpy as np

from rgd.datasets.quickstart.chemistry import elements
from rgd.datasets.quickstart.drafts import Draft, choose, sample, three_of
from rgd.datasets.quickstart.vocabulary import LANGUAGES, MONTHS, WEEKDAYS
from rgd.datasets.quickstart.world import countries

VOWELS = "aeiou"
SPELT_TWO_WAYS = frozenset(("aluminum", "cesium", "sulfur", "Kyrgyzstan", "Romania"))


@cache
def names() -> dict[str, str]:
    """What each name is the name of; plain words of at least six letters, no name with two spellings in use."""
    sorts = {
        "a country": [country.name for country in countries().values()],
        "a chemical element": [name for _, name in elements().values()],
        "a month": MONTHS,
        "a day of the week": WEEKDAYS,
        "a language": LANGUAGES.values(),
    }
    return {
        name: sort
        for sort, group in sorts.items()
        for name in group
        if name.isascii() and name.isalpha() and len(name) >= 6 and name not in SPELT_TWO_WAYS
    }


def doubled(word: str, place: int) -> str:
    """A letter doubled, or one of a double letter dropped."""
    if word[place] == word[place + 1]:
        return word[:place] + word[place + 1 :]
    return word[: place + 1] + word[place] + word[place + 1 :]


def exchanged(word: str, place: int) -> str:
    """Two neighbouring letters exchanged."""
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def slips(rng: np.random.Generator, word: str) -> list[str]:
    """Misspellings after the first letter: doubled, exchanged, or replaced letters."""
    places = range(1, len(word) - 1)
    vowels = [place for place in places if word[place] in VOWELS]
    found = [doubled(word, place) for place in sample(rng, places, 2)]
    found += [exchanged(word, place) for place in sample(rng, places, 2) if word[place] != word[place + 1]]
    for place in sample(rng, vowels, 2):
        found.append(
            word[:place] + choose(rng, [vowel for vowel in VOWELS if vowel != word[place]]) + word[place + 1 :]
        )
    return [slip for slip in found if slip not in names()]


def right_spelling(rng: np.random.Generator) -> Draft:
    """Only one of four is spelt right."""
    word = choose(rng, sorted(names()))
    sort = names()[word]
    distractors = three_of(rng, word, slips(rng, word))
    wording = choose(
        rng,
        (
            "One of these is the name of {}, the others are misspelt: {}. Which one is right?",
            "Which is the correct spelling of {}: {}?",
        ),
    )
    shown = ", ".join(sample(rng, (word, *distractors), len(distractors) + 1))
    return Draft(wording.format(sort if "One of" in wording else f"this name of {sort}", shown), word, distractors)


KINDS = (right_spelling,)
