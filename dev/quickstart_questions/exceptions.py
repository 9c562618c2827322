"""Task ``exceptions``: the one of four that does NOT belong, from geography, chemistry, the calendar and numbers."""

import numpy as np

from dev.quickstart_questions.calendar import is_leap
from dev.quickstart_questions.chemistry import elements, period
from dev.quickstart_questions.drafts import Draft, choose, name_list, sample, three_of, whole
from dev.quickstart_questions.world import CONTINENTS, UNCERTAIN_BORDER, UNCERTAIN_CONTINENT, cities, countries

# Elements beyond 103, and names once proposed for some of them.
LATER_SYMBOLS = (
    "Rf",
    "Db",
    "Sg",
    "Bh",
    "Hs",
    "Mt",
    "Ds",
    "Rg",
    "Cn",
    "Nh",
    "Fl",
    "Mc",
    "Lv",
    "Ts",
    "Og",
    "Ha",
    "Ku",
    "Ns",
    "Jl",
)
PHRASES = ("{1}: which of these is NOT {0}?", "Which of {1} is not {0}?", "Only one of {1} fails to be {0}. Which?")


def ask(rng: np.random.Generator, trait: str, odd: str, members: list[str]) -> Draft:
    """A draft whose answer lacks the trait."""
    distractors = three_of(rng, odd, members)
    return Draft(choose(rng, PHRASES).format(trait, name_list(sample(rng, (odd, *distractors), 4))), odd, distractors)


def not_on_continent(rng: np.random.Generator) -> Draft:
    """A country of another continent."""
    code = choose(rng, ("AF", "AS", "EU", "SA", "NA"))
    sound = [country for country in countries().values() if country.code not in UNCERTAIN_CONTINENT]
    odd = choose(rng, [country.name for country in sound if country.continent != code])
    return ask(
        rng, f"a country in {CONTINENTS[code]}", odd, [country.name for country in sound if country.continent == code]
    )


def not_a_neighbour(rng: np.random.Generator) -> Draft | None:
    """A country that has no border with another."""
    known = countries()
    code = choose(rng, [code for code in sorted(known) if code not in UNCERTAIN_BORDER])
    near = sorted(known[code].neighbours - UNCERTAIN_BORDER)
    far = sorted(
        {other for one in near for other in known[one].neighbours} - known[code].neighbours - {code} - UNCERTAIN_BORDER
    )
    if len(near) < 3 or not far:
        return None
    return ask(
        rng,
        f"a country that borders {known[code].name} on land",
        known[choose(rng, far)].name,
        [known[one].name for one in near],
    )


def not_a_city_of(rng: np.random.Generator) -> Draft:
    """A city of another country."""
    groups: dict[str, list[str]] = {}
    for city in cities():
        groups.setdefault(city.country, []).append(city.name)
    code = choose(rng, sorted(code for code, names in groups.items() if len(names) >= 5))
    odd = choose(
        rng,
        [
            city.name
            for city in cities()
            if city.country != code and countries()[city.country].continent == countries()[code].continent
        ],
    )
    return ask(rng, f"a city in {countries()[code].name}", odd, groups[code])


def not_prime(rng: np.random.Generator) -> Draft:
    """A composite number without small factors."""
    from sympy import isprime

    low = whole(rng, 20, 250)
    near = range(low, low + 80)
    odd = choose(rng, [str(number) for number in near if not isprime(number) and number % 2 and number % 5])
    return ask(rng, "a prime number", odd, [str(number) for number in near if isprime(number)])


def not_multiple(rng: np.random.Generator) -> Draft:
    """A number that a factor does not divide."""
    factor = choose(rng, (3, 4, 6, 7, 8, 9, 11, 12, 13))
    odd = factor * whole(rng, 6, 60) + whole(rng, 1, factor - 1)
    return ask(rng, f"a multiple of {factor}", str(odd), [str(factor * number) for number in range(6, 60)])


def not_leap(rng: np.random.Generator) -> Draft:
    """A common year that looks like a leap year."""
    odd = choose(rng, [year for year in range(1700, 2300) if year % 2 == 0 and not is_leap(year)])
    return ask(rng, "a leap year", str(odd), [str(year) for year in range(odd - 60, odd + 60) if is_leap(year)])


def not_in_period(rng: np.random.Generator) -> Draft:
    """An element of another row of the periodic table."""
    wanted = whole(rng, 3, 6)
    odd = choose(rng, [elements()[number][1] for number in range(3, 87) if period(number) != wanted])
    members = [elements()[number][1] for number in range(3, 87) if period(number) == wanted]
    return ask(rng, f"an element of period {wanted}", odd, members)


def not_symbol(rng: np.random.Generator) -> Draft:
    """Two letters that are no element's symbol."""
    symbols = [symbol for symbol, _ in elements().values()]
    letters = "abcdefghiklmnoprstuy"
    invented = [first + second for first in "ABCDEFGHIKLMNOPRSTUVXYZ" for second in letters]
    odd = choose(rng, [text for text in invented if text not in symbols and text not in LATER_SYMBOLS])
    return ask(rng, "the symbol of a chemical element", odd, [symbol for symbol in symbols if len(symbol) == 2])


def false_product(rng: np.random.Generator) -> Draft:
    """A false product among true ones."""
    sums = []
    for _ in range(3):
        one, two = whole(rng, 12, 99), whole(rng, 3, 29)
        sums.append(f"{one} * {two} = {one * two}")
    one, two = whole(rng, 12, 99), whole(rng, 3, 29)
    false = one * two + choose(rng, (1, -1, 10, -10, 2))
    return ask(rng, "a true equation", f"{one} * {two} = {false}", sums)


KINDS = (
    not_on_continent,
    not_a_neighbour,
    not_a_city_of,
    not_prime,
    not_multiple,
    not_leap,
    not_in_period,
    not_symbol,
    false_product,
)
