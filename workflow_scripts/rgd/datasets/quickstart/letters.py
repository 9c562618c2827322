"""Task ``letters``: letters, lengths, order and spelling of words."""

from functools import cache

import numpy as np

from rgd.datasets.quickstart.chemistry import elements
from rgd.datasets.quickstart.drafts import Draft, choose, numeric, sample, three_of, whole
from rgd.datasets.quickstart.world import countries

VOWELS = "aeiou"
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")


@cache
def words() -> tuple[str, ...]:
    """Names of countries and elements that are one plain word, in lower case."""
    names = [country.name.lower() for country in countries().values()] + [name for _, name in elements().values()]
    return tuple(sorted(name for name in names if name.isascii() and name.isalpha() and 5 <= len(name) <= 12))


def nth(rng: np.random.Generator) -> Draft:
    """A letter by its place, from the front or the back."""
    word = choose(rng, words())
    place, back = whole(rng, 1, 4), choose(rng, (True, False))
    answer = word[-1 - place] if back else word[place]
    where = f"{ORDINALS[place]} letter from the end" if back else f"{ORDINALS[place]} letter"
    return Draft(f'What is the {where} of the word "{word}"?', answer, three_of(rng, answer, sorted(set(word))))


def occurrences(rng: np.random.Generator) -> Draft:
    """How often a letter occurs, or how many letters or vowels there are."""
    word = " ".join(sample(rng, words(), whole(rng, 1, 2)))
    letter = choose(rng, [letter for letter in sorted(set(word)) if letter != " "])
    question, answer = choose(
        rng,
        (
            (f'How many times does the letter "{letter}" occur in "{word}"?', word.count(letter)),
            (f'How many letters are in "{word}", not counting spaces?', len(word.replace(" ", ""))),
            (
                f'How many of the letters of "{word}" are vowels (a, e, i, o, u)?',
                sum(letter in VOWELS for letter in word),
            ),
        ),
    )
    return numeric(rng, question, answer, [], spread=(1, 2, 3))


def backwards(rng: np.random.Generator) -> Draft:
    """A word spelt backwards; two letters exchanged as distractors."""
    word = choose(rng, words())
    answer = word[::-1]
    places = sample(rng, range(1, len(word) - 1), 4)
    wrong = [answer[:place] + answer[place + 1] + answer[place] + answer[place + 2 :] for place in places]
    return Draft(f'Which is the word "{word}" spelt backwards?', answer, three_of(rng, answer, wrong))


def alphabetical(rng: np.random.Generator) -> Draft | None:
    """First or last of words that begin with the same letter."""
    letter = choose(rng, "abcmnpst")
    four = sample(rng, [word for word in words() if word[0] == letter], 4)
    if len(set(four)) < 4:
        return None
    last = choose(rng, (True, False))
    ranked = sorted(four, reverse=last)
    return Draft(
        f"Which of these words comes {'last' if last else 'first'} in a dictionary: {', '.join(four)}?",
        ranked[0],
        tuple(ranked[1:]),
    )


def without_vowels(rng: np.random.Generator) -> Draft:
    """A word without its vowels; a letter lost or kept as distractors."""
    word = choose(rng, words())
    answer = "".join(letter for letter in word if letter not in VOWELS)
    wrong = [answer[:place] + answer[place + 1 :] for place in range(len(answer))] + [
        word[:3] + answer[2:],
        answer + word[-1],
    ]
    return Draft(
        f'What remains of "{word}" when every a, e, i, o and u is removed?', answer, three_of(rng, answer, wrong)
    )


KINDS = (nth, occurrences, backwards, alphabetical, without_vowels)
