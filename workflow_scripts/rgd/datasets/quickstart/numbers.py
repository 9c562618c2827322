"""Task ``numbers``: divisors, primes, remainders of powers, bases, Roman numerals, digits, by sympy.ntheory."""

import numpy as np

from rgd.datasets.quickstart.drafts import Draft, choose, numeric, sample, three_of, whole

ROMAN = (
    (1000, "M"),
    (900, "CM"),
    (500, "D"),
    (400, "CD"),
    (100, "C"),
    (90, "XC"),
    (50, "L"),
    (40, "XL"),
    (10, "X"),
    (9, "IX"),
    (5, "V"),
    (4, "IV"),
    (1, "I"),
)


def roman(number: int) -> str:
    """The standard Roman numeral of 1 to 3999."""
    text = ""
    for value, letters in ROMAN:
        text += letters * (number // value)
        number %= value
    return text


def in_base(number: int, base: int) -> str:
    """Digits of a positive number in a base up to 16."""
    digits = ""
    while number:
        number, digit = divmod(number, base)
        digits = "0123456789ABCDEF"[digit] + digits
    return digits


def common_divisor(rng: np.random.Generator) -> Draft:
    """Greatest common divisor or least common multiple."""
    from sympy import gcd, lcm

    factor, one, two = whole(rng, 2, 18), whole(rng, 2, 15), whole(rng, 2, 15)
    first, second = factor * one, factor * two + factor * (one == two)
    divisor, multiple = int(gcd(first, second)), int(lcm(first, second))
    if choose(rng, (True, False)):
        wrong = [divisor * 2, divisor // 2, divisor * 3, divisor + 1, abs(first - second), 1]
        return numeric(
            rng,
            f"What is the greatest common divisor of {first} and {second}?",
            divisor,
            sample(rng, [number for number in wrong if number > 0], 4),
        )
    wrong = [first * second, multiple * 2, multiple // 2, multiple + first, multiple - second]
    return numeric(
        rng,
        f"What is the least common multiple of {first} and {second}?",
        multiple,
        sample(rng, [number for number in wrong if number > 0], 4),
    )


def prime(rng: np.random.Generator) -> Draft:
    """A prime among products of primes above 5."""
    from sympy import isprime

    low = whole(rng, 80, 700)
    near = range(low, low + 120)
    answer = choose(rng, [number for number in near if isprime(number)])
    wrong = [str(number) for number in near if not isprime(number) and all(number % small for small in (2, 3, 5))]
    wording = choose(rng, ("Which of these numbers is prime?", "Which number has no divisors besides 1 and itself?"))
    distractors = three_of(rng, str(answer), wrong)
    return Draft(f"{wording} {', '.join(sample(rng, (str(answer), *distractors), 4))}", str(answer), distractors)


def divisor_count(rng: np.random.Generator) -> Draft:
    """Number of positive divisors."""
    from sympy import divisor_count as count

    number = whole(rng, 12, 200)
    answer = int(count(number))
    wording = choose(
        rng,
        (
            "How many positive divisors does {} have, 1 and itself included?",
            "How many positive whole numbers divide {} without a remainder?",
        ),
    )
    return numeric(
        rng,
        wording.format(number),
        answer,
        sample(rng, [answer + 1, answer - 1, answer + 2, answer - 2, answer + 4], 3),
    )


def power_remainder(rng: np.random.Generator) -> Draft:
    """Last digit or remainder of a power."""
    base, exponent, modulus = whole(rng, 2, 13), whole(rng, 5, 60), choose(rng, (5, 7, 9, 10, 11, 13))
    answer = pow(base, exponent, modulus)
    question = (
        f"What is the last digit of {base}^{exponent}?"
        if modulus == 10
        else f"What is the remainder of {base}^{exponent} on division by {modulus}?"
    )
    return Draft(question, str(answer), three_of(rng, str(answer), [str(number) for number in range(modulus)]))


def base_change(rng: np.random.Generator) -> Draft:
    """Decimal to binary, octal, hexadecimal, or back."""
    number, base = whole(rng, 17, 250), choose(rng, (2, 3, 8, 16))
    name = {2: "binary", 3: "base 3", 8: "octal", 16: "hexadecimal"}[base]
    near = [number + shift for shift in (1, -1, 2, -2, base, -base, 16)]
    if choose(rng, (True, False)):
        answer = in_base(number, base)
        return Draft(
            f"How is the decimal number {number} written in {name}?",
            answer,
            three_of(rng, answer, [in_base(other, base) for other in near if other > 0]),
        )
    return Draft(
        f"Which decimal number is written {in_base(number, base)} in {name}?",
        str(number),
        three_of(rng, str(number), [str(other) for other in near]),
    )


def roman_numeral(rng: np.random.Generator) -> Draft:
    """To and from Roman numerals; a misplaced sign as distractors."""
    number = whole(rng, 14, 2999)
    near = [number + shift for shift in (1, -1, 2, -2, 5, 10, -10, 100) if number + shift > 0]
    if choose(rng, (True, False)):
        return Draft(
            f"How is {number} written in Roman numerals?",
            roman(number),
            three_of(rng, roman(number), [roman(other) for other in near]),
        )
    return Draft(
        f"Which number does the Roman numeral {roman(number)} stand for?",
        str(number),
        three_of(rng, str(number), [str(other) for other in near]),
    )


def digit_sum(rng: np.random.Generator) -> Draft:
    """Sum or product of digits, trailing zeros."""
    number = whole(rng, 1_000, 99_999_999)
    answer = sum(map(int, str(number)))
    return numeric(
        rng,
        f"What is the sum of the digits of {number}?",
        answer,
        sample(rng, [answer + 1, answer - 1, answer + 2, answer - 2, answer + 9], 3),
    )


KINDS = (common_divisor, prime, divisor_count, power_remainder, base_change, roman_numeral, digit_sum)
