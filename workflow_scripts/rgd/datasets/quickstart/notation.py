"""Task ``notation``: one number in several notations: words, ordinals, Roman numerals, clock times, percentages, powers of ten."""

import numpy as np

from rgd.datasets.quickstart.drafts import Draft, choose, three_of, whole
from rgd.datasets.quickstart.numbers import roman

ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen",
    "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
ORDINAL_WORDS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}


def words(number: int) -> str:
    """0 to 999,999 in English words, with "and" after the hundreds."""
    if number < 20:
        return ONES[number]
    if number < 100:
        return TENS[number // 10] + (f"-{ONES[number % 10]}" if number % 10 else "")
    if number < 1000:
        return f"{ONES[number // 100]} hundred" + (f" and {words(number % 100)}" if number % 100 else "")
    rest = number % 1000
    return f"{words(number // 1000)} thousand" + (
        "" if not rest else f" and {words(rest)}" if rest < 100 else f" {words(rest)}"
    )


def ordinal(number: int) -> str:
    """1 to 99 as an ordinal in words."""
    head, _, last = words(number).rpartition("-")
    ending = ORDINAL_WORDS.get(last, last[:-1] + "ieth" if last.endswith("y") else last + "th")
    return f"{head}-{ending}" if head else ending


def slips(rng: np.random.Generator, number: int) -> list[int]:
    """Numbers that a slip makes of one: digits exchanged, a zero put in or left out, a neighbour."""
    digits = str(number)
    place = whole(rng, 0, len(digits) - 2)
    exchanged = digits[:place] + digits[place + 1] + digits[place] + digits[place + 2 :]
    found = [
        int(exchanged),
        int(digits[:1] + "0" + digits[1:]),
        int(digits[0] + digits[2:]),
        number + 10,
        number - 10,
        number + 100,
        number + 1,
    ]
    return [slip for slip in found if slip > 0 and slip != number]


def to_words(rng: np.random.Generator) -> Draft:
    """Digits to words."""
    number = whole(rng, 101, 99_999)
    wording = choose(rng, ("How is {} written in words?", "Write the number {} in words.", "How do you read {} aloud?"))
    return Draft(
        wording.format(number),
        words(number),
        three_of(rng, words(number), [words(slip) for slip in slips(rng, number)]),
    )


def from_words(rng: np.random.Generator) -> Draft:
    """Words to digits."""
    number = whole(rng, 101, 99_999)
    wording = choose(rng, ("Write {} in digits.", "Which number is {}?"))
    return Draft(
        wording.format(words(number)),
        str(number),
        three_of(rng, str(number), [str(slip) for slip in slips(rng, number)]),
    )


def ordinals(rng: np.random.Generator) -> Draft:
    """Ordinals in words; neighbours and exchanged digits as distractors."""
    number = whole(rng, 13, 99)
    near = [number + 1, number - 1, number + 10, number - 10, int(str(number)[::-1])]
    wrong = [ordinal(other) for other in near if 3 < other < 100 and other != number]
    wording = choose(
        rng,
        (
            "In a race with 120 runners, someone comes in behind exactly {} others. Which place is that?",
            "Which place has the runner who finishes just after number {}?",
        ),
    )
    return Draft(wording.format(number - 1), ordinal(number), three_of(rng, ordinal(number), wrong))


def romans(rng: np.random.Generator) -> Draft:
    """To and from Roman numerals."""
    number = whole(rng, 4, 2100)
    near = [number + shift for shift in (1, -1, 2, -2, 5, 10, -10, 100) if number + shift > 0]
    if choose(rng, (True, False)):
        wording = choose(
            rng,
            ("How is {} written in Roman numerals?", "A clockmaker engraves {} in Roman numerals. What is engraved?"),
        )
        return Draft(
            wording.format(number), roman(number), three_of(rng, roman(number), [roman(other) for other in near])
        )
    wording = choose(
        rng, ("Which number does the Roman numeral {} stand for?", "An inscription reads {}. Which number is meant?")
    )
    return Draft(wording.format(roman(number)), str(number), three_of(rng, str(number), [str(other) for other in near]))


def clock_words(rng: np.random.Generator) -> Draft:
    """Clock times in words; the neighbouring hour or the other half as distractors."""
    hour, minutes = whole(rng, 1, 12), choose(rng, (5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55))
    coming = hour % 12 + 1
    name = {15: "a quarter", 30: "half"}.get(
        min(minutes, 60 - minutes),
        f"{ONES[min(minutes, 60 - minutes)] if min(minutes, 60 - minutes) < 20 else words(min(minutes, 60 - minutes))} minutes",
    )
    text = f"{name} past {ONES[hour]}" if minutes <= 30 else f"{name} to {ONES[coming]}"

    def show(h: int, m: int) -> str:
        return f"{h}:{m:02d}"

    answer = show(hour, minutes)
    wrong = [
        show(coming, minutes),
        show(hour, 60 - minutes),
        show(coming, 60 - minutes),
        show((hour - 2) % 12 + 1, minutes),
        show(hour, (minutes + 30) % 60),
    ]
    wording = choose(rng, ("It is {}. What does a digital clock show?", "How is {} written in digits?"))
    return Draft(wording.format(text), answer, three_of(rng, answer, wrong))


def percents(rng: np.random.Generator) -> Draft:
    """Simple fractions as percentages or decimals; a point in the wrong place as distractors."""
    bottom = choose(rng, (2, 4, 5, 8, 10, 16, 20, 25, 40, 50))
    top = choose(rng, [top for top in range(1, bottom) if np.gcd(top, bottom) == 1])
    value = 100 * top / bottom

    def show(number: float) -> str:
        return f"{number:g}%"

    wrong = [
        show(value / 10),
        show(100 - value),
        show(value + 5),
        show(value / 2),
        show(value * 2),
        show(float(top)),
        show(value + 10),
    ]
    wording = choose(
        rng, ("What is {}/{} as a percentage?", "A student gets {} of {} points. What percentage is that?")
    )
    return Draft(wording.format(top, bottom), show(value), three_of(rng, show(value), wrong))


def powers(rng: np.random.Generator) -> Draft:
    """Scientific notation; one power off as distractors."""
    digits, power = whole(rng, 11, 99), whole(rng, -5, 6)
    digits += digits % 10 == 0

    def plain(exponent: int) -> str:
        if exponent >= 1:
            return str(digits * 10 ** (exponent - 1))
        return f"{digits / 10 * 10.0**exponent:.{1 - exponent}f}"

    wrong = [plain(power + shift) for shift in (1, -1, 2, -2)]
    wording = choose(rng, ("What is {}.{} x 10^{} written out in full?", "Write {}.{} x 10^{} without a power of ten."))
    return Draft(wording.format(digits // 10, digits % 10, power), plain(power), three_of(rng, plain(power), wrong))


KINDS = (to_words, from_words, ordinals, romans, clock_words, percents, powers)
