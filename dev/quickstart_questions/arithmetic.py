"""Task ``arithmetic``: whole numbers, decimals, fractions, percentages, order of operations."""

from fractions import Fraction

import numpy as np

from dev.quickstart_questions.drafts import Draft, choose, numeric, sample, three_first, three_of, whole


def product(rng: np.random.Generator) -> Draft:
    """A product of two numbers; a wrong carry as distractors."""
    one, two = whole(rng, 13, 99), whole(rng, 12, 99)
    answer = one * two
    wording = choose(
        rng, ("What is {} times {}?", "Compute {} * {}.", "{} boxes hold {} pens each. How many pens are there?")
    )
    return numeric(
        rng,
        wording.format(one, two),
        answer,
        sample(rng, [answer + 10, answer - 10, answer + 100, answer - 100, answer + one, answer - two], 3),
    )


def ordered(rng: np.random.Generator) -> Draft:
    """Order of operations; working from left to right as a distractor."""
    one, two, three, four = (whole(rng, 2, 20) for _ in range(4))
    expression, answer, mistake = choose(
        rng,
        (
            (f"{one} + {two} * {three}", one + two * three, (one + two) * three),
            (
                f"{one * two} - {two} * {three} + {four}",
                one * two - two * three + four,
                one * two - (two * three + four),
            ),
            (f"({one} + {two}) * {three} - {four}", (one + two) * three - four, one + two * three - four),
            (f"{one} * {two} + {three} * {four}", one * two + three * four, (one * two + three) * four),
            (f"{one} - ({two} - {three}) * {four}", one - (two - three) * four, (one - (two - three)) * four),
        ),
    )
    wording = choose(rng, ("What is the value of {}?", "Evaluate {}.", "Work out {}."))
    wrong = [str(mistake), *(str(answer + shift) for shift in sample(rng, (one, -two, 2, -2, 10), 5))]
    return Draft(wording.format(expression), str(answer), three_first(str(answer), wrong))


def percentage(rng: np.random.Generator) -> Draft:
    """Percentages of, up or down; the part instead of the whole as a distractor."""
    base, share = 20 * whole(rng, 3, 90), 5 * whole(rng, 1, 17)
    part = base * share // 100
    question, answer = choose(
        rng,
        (
            (f"What is {share} percent of {base}?", part),
            (f"A price of {base} euros rises by {share} percent. What is the new price in euros?", base + part),
            (f"A price of {base} euros is cut by {share} percent. What is the new price in euros?", base - part),
        ),
    )
    wrong = [
        number
        for number in (part, base - part, base + part, base + share, base - share, part + 10, part * 2)
        if number > 0
    ]
    return numeric(rng, question, answer, sample(rng, wrong, len(wrong)))


def fractions(rng: np.random.Generator) -> Draft | None:
    """Sums, differences, products of fractions; adding tops and bottoms as a distractor."""
    one, two = (Fraction(whole(rng, 1, 11), whole(rng, 2, 12)) for _ in range(2))
    sign, answer = choose(rng, (("+", one + two), ("-", one - two), ("*", one * two), ("/", one / two)))
    if min(one.denominator, two.denominator, answer.denominator) == 1:
        return None
    wrong = [
        Fraction(one.numerator + two.numerator, one.denominator + two.denominator),
        one * two,
        one / two,
        one - two,
        one + two,
        answer + Fraction(1, answer.denominator),
    ]
    question = (
        f"What is {one} {sign} {two}, as a fraction in lowest terms?"
        if sign != "/"
        else f"What is ({one}) divided by ({two}), as a fraction in lowest terms?"
    )
    return Draft(question, str(answer), three_of(rng, str(answer), [str(number) for number in wrong]))


def largest(rng: np.random.Generator) -> Draft:
    """The largest or smallest of decimals of different lengths."""
    base = whole(rng, 0, 9)
    digits = sample(rng, range(1, 10), 3)
    numbers = [
        f"{base}.{digits[0]}",
        f"{base}.{digits[0]}{digits[1]}",
        f"{base}.0{digits[2]}{digits[0]}{digits[1]}",
        f"{base}.{digits[1]}{digits[2]}{digits[0]}",
    ]
    upward = choose(rng, (True, False))
    ranked = sorted(numbers, key=Fraction, reverse=upward)
    wording = "Which of these numbers is the {}: {}?"
    return Draft(
        wording.format("largest" if upward else "smallest", ", ".join(sample(rng, numbers, 4))),
        ranked[0],
        tuple(ranked[1:]),
    )


def division(rng: np.random.Generator) -> Draft:
    """Quotient and remainder."""
    divisor, quotient = whole(rng, 6, 29), whole(rng, 11, 99)
    rest = whole(rng, 1, divisor - 1)
    total = divisor * quotient + rest
    if choose(rng, (True, False)):
        return numeric(
            rng, f"What is the remainder when {total} is divided by {divisor}?", rest, [], spread=(1, 2, 3, 4)
        )
    wording = f"{total} eggs are packed {divisor} to a box. How many boxes are completely filled?"
    return numeric(rng, wording, quotient, sample(rng, [quotient + 1, quotient - 1, quotient + 10, rest], 3))


def story(rng: np.random.Generator) -> Draft:
    """Two or three steps told in words; a step left out as distractors."""
    one, two, three = whole(rng, 12, 60), whole(rng, 3, 9), whole(rng, 2, 11)
    name = choose(rng, ("Ada", "Ben", "Chidi", "Dana", "Emre", "Fatou", "Goran", "Hana"))
    thing = choose(rng, ("marbles", "stamps", "coins", "shells", "cards"))
    question, answer, wrong = choose(
        rng,
        (
            (
                f"{name} has {one} {thing}, buys {two} packs of {three} more, and gives {two} away. How many {thing} does {name} have now?",
                one + two * three - two,
                [one + two * three, one + two + three - two, two * three - two],
            ),
            (
                f"{name} fills {two} bags with {one} {thing} each and loses {three}. How many {thing} are left?",
                one * two - three,
                [one * two, (one - three) * two, one + two - three],
            ),
            (
                f"{name} shares {one * two} {thing} equally among {two} friends, who already have {three} each. How many {thing} does each friend have?",
                one + three,
                [one, one * two + three, one + two],
            ),
        ),
    )
    return numeric(rng, question, answer, wrong)


KINDS = (product, ordered, percentage, fractions, largest, division, story)
