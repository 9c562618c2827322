"""Task ``redefinitions``: a rule in the question overrides what one knows: signs, words, numbers, capitals that change places."""

import numpy as np

from rgd.datasets.quickstart.calendar import WEEKDAYS
from rgd.datasets.quickstart.chemistry import elements
from rgd.datasets.quickstart.drafts import Draft, choose, sample, three_first, three_of, whole
from rgd.datasets.quickstart.world import countries

SIGNS = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b}
NAMES = {"+": "plus", "-": "minus", "*": "times"}
KNOWN = (
    "FR",
    "DE",
    "IT",
    "ES",
    "GB",
    "JP",
    "CN",
    "EG",
    "RU",
    "GR",
    "PT",
    "AT",
    "PL",
    "SE",
    "NO",
    "CA",
    "AU",
    "TR",
    "KE",
    "PE",
    "CU",
    "IE",
)
COLOURS = {
    "grass": "green", "an emerald": "green", "blood": "red", "a ripe tomato": "red", "snow": "white", "milk": "white", "coal": "black",
    "soot": "black", "a ripe lemon": "yellow", "an egg yolk": "yellow", "a sapphire": "blue", "the clear sky at noon": "blue",
    "a carrot": "orange", "chocolate": "brown",
}  # fmt: skip


def swapped_signs(rng: np.random.Generator) -> Draft:
    """Signs of arithmetic that mean each other; the usual meaning as the first distractor."""
    one, two = sample(rng, sorted(SIGNS), 2)
    a, b = whole(rng, 6, 14), whole(rng, 2, 5)
    answer, usual = SIGNS[two](a, b), SIGNS[one](a, b)
    wrong = [usual, *(SIGNS[sign](a, b) for sign in sorted(SIGNS)), answer + 1, answer - 1, usual + 1]
    wording = choose(
        rng,
        (
            'In this puzzle the sign "{}" means {}. What is {} {} {}?',
            'Read every "{}" as "{}". Then {} {} {} equals what?',
        ),
    )
    return Draft(
        wording.format(one, NAMES[two], a, one, b),
        str(answer),
        three_first(str(answer), [str(number) for number in wrong]),
    )


def swapped_capitals(rng: np.random.Generator) -> Draft:
    """Two countries exchange their capitals; the real one as the first distractor."""
    one, two, *others = sample(rng, KNOWN, 4)
    known = countries()
    wording = choose(
        rng,
        (
            "In a novel, {0} and {1} have exchanged their capitals. What is the capital of {0} in the novel?",
            "Suppose {0} and {1} swapped capital cities. Which city would then be the capital of {0}?",
        ),
    )
    distractors = (known[one].capital, *(known[other].capital for other in others))
    return Draft(wording.format(known[one].name, known[two].name), known[two].capital, distractors)


def shifted_week(rng: np.random.Generator) -> Draft:
    """A week in which a day is left out, or that runs backwards."""
    start = whole(rng, 0, 6)
    if choose(rng, (True, False)):
        steps = whole(rng, 1, 6)
        answer = WEEKDAYS[(start - steps) % 7]
        question = f"On a strange planet the week runs backwards: Sunday is followed by Saturday, and so on. If today is {WEEKDAYS[start]}, what day is it there in {steps} day{'s' * (steps > 1)}?"
        wrong = [WEEKDAYS[(start + steps) % 7], WEEKDAYS[(start + steps + 1) % 7], WEEKDAYS[(start - steps - 1) % 7]]
    else:
        gone = WEEKDAYS[(start + 1) % 7]
        answer = WEEKDAYS[(start + 2) % 7]
        question = f"In a country that has abolished {gone}, which day follows {WEEKDAYS[start]}?"
        wrong = [gone, WEEKDAYS[(start + 3) % 7], WEEKDAYS[(start - 1) % 7]]
    return Draft(question, answer, three_first(answer, wrong))


def renamed_numbers(rng: np.random.Generator) -> Draft:
    """A numeral that stands for another number."""
    symbol, meaning, other = sample(rng, range(2, 10), 3)
    sign = choose(rng, ("+", "*"))
    answer, usual = SIGNS[sign](meaning, other), SIGNS[sign](symbol, other)
    wrong = [usual, SIGNS[sign](meaning, symbol), answer + 1, answer - 1, usual + 1]
    question = f"Suppose that {symbol} is redefined to be {meaning}. What is {symbol} {sign} {other} then?"
    return Draft(question, str(answer), three_first(str(answer), [str(number) for number in wrong]))


def swapped_colours(rng: np.random.Generator) -> Draft:
    """Two names of colours exchange their meanings; the usual one as the first distractor."""
    thing = choose(rng, sorted(COLOURS))
    usual = COLOURS[thing]
    answer, *others = sample(rng, sorted(set(COLOURS.values()) - {usual}), 3)
    wording = choose(
        rng,
        (
            'In a secret language "{0}" means {1} and "{1}" means {0}. Which colour does {2} have in the secret language?',
            'From now on the words "{0}" and "{1}" have exchanged their meanings. What colour do you now call {2}?',
        ),
    )
    one, two = sample(rng, (usual, answer), 2)
    return Draft(wording.format(one, two, thing), answer, (usual, *others))


def swapped_elements(rng: np.random.Generator) -> Draft:
    """Two elements exchange their symbols."""
    one, two, *others = sample(
        rng, (1, 2, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 19, 20, 26, 29, 30, 47, 50, 79, 80, 82), 4
    )
    names = {number: elements()[number] for number in (one, two, *others)}
    question = f"A new rule exchanges the symbols of {names[one][1]} and {names[two][1]}. Which symbol does {names[one][1]} have under the new rule?"
    return Draft(question, names[two][0], (names[one][0], *(names[other][0] for other in others)))


def last_word(rng: np.random.Generator) -> Draft:
    """An instruction to end a list against its own order."""
    lists = (
        WEEKDAYS,
        ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
        tuple("abcdefghijkl"),
    )
    items = choose(rng, lists)
    start = whole(rng, 0, len(items) - 5)
    wrong_place = choose(rng, [place for place in range(len(items)) if not start <= place <= start + 3])
    shown = ", ".join(items[start : start + 3])
    question = f'Write a list of four items that begins with "{shown}" and ends with "{items[wrong_place]}". What is the fourth item?'
    return Draft(
        question,
        items[wrong_place],
        three_of(rng, items[wrong_place], [items[start + 3], items[start + 2], items[start]]),
    )


KINDS = (swapped_signs, swapped_capitals, shifted_week, renamed_numbers, swapped_colours, swapped_elements, last_word)
