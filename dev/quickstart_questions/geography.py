"""Task ``geography``: capitals, cities, borders, continents, sizes of countries."""

import numpy as np

from dev.quickstart_questions.drafts import Draft, choose, sample, three_of
from dev.quickstart_questions.world import (
    UNCERTAIN_BORDER,
    capitals,
    cities,
    countries,
    same_continent,
)

CLEARLY_MORE = 3.0  # a ratio that no census year and no definition of land area turns round
CLEARLY_FURTHER = 4.0  # degrees of latitude


def capital(rng: np.random.Generator) -> Draft:
    """Country to capital; capitals of the continent as distractors."""
    code = choose(rng, sorted(capitals()))
    others = [capitals()[other.code] for other in same_continent(code) if other.code in capitals()]
    wording = choose(
        rng,
        (
            "What is the capital of {}?",
            "Which city is the capital of {}?",
            "The government of {} sits in its capital. Which city is that?",
        ),
    )
    return Draft(wording.format(countries()[code].name), capitals()[code], three_of(rng, capitals()[code], others))


def capital_home(rng: np.random.Generator) -> Draft:
    """Capital to country; countries of the continent as distractors."""
    code = choose(rng, sorted(capitals()))
    others = [other.name for other in same_continent(code)]
    wording = choose(rng, ("{} is the capital of which country?", "Of which country is {} the capital?"))
    return Draft(
        wording.format(capitals()[code]), countries()[code].name, three_of(rng, countries()[code].name, others)
    )


def city_home(rng: np.random.Generator) -> Draft:
    """City to country."""
    city = choose(rng, cities())
    others = [other.name for other in same_continent(city.country)]
    wording = choose(
        rng, ("In which country is the city of {}?", "{} is a large city. Which country does it belong to?")
    )
    return Draft(
        wording.format(city.name), countries()[city.country].name, three_of(rng, countries()[city.country].name, others)
    )


def border(rng: np.random.Generator) -> Draft | None:
    """A land neighbour; neighbours of neighbours as distractors."""
    known = countries()
    code = choose(rng, [code for code in sorted(known) if code not in UNCERTAIN_BORDER and known[code].neighbours])
    near = known[code].neighbours
    second = {far for one in near for far in known[one].neighbours} - near - {code} - UNCERTAIN_BORDER
    sound = sorted(near - UNCERTAIN_BORDER)
    if len(second) < 3 or not sound:
        return None
    wording = choose(
        rng,
        ("Which of these countries has a land border with {}?", "Which country is a direct neighbour of {} on land?"),
    )
    answer = known[choose(rng, sound)].name
    return Draft(
        wording.format(known[code].name), answer, three_of(rng, answer, [known[far].name for far in sorted(second)])
    )


def larger(rng: np.random.Generator) -> Draft | None:
    """The largest by area or people; every other country clearly smaller."""
    field, wording = choose(
        rng,
        (
            ("area", "Which of these countries has the largest area?"),
            ("population", "Which of these countries has the most inhabitants?"),
        ),
    )
    four = sorted(sample(rng, list(countries().values()), 4), key=lambda country: getattr(country, field), reverse=True)
    if getattr(four[0], field) < CLEARLY_MORE * getattr(four[1], field) or getattr(four[0], field) > 40 * getattr(
        four[1], field
    ):
        return None
    names = [country.name for country in four]
    return Draft(f"{wording} {' / '.join(sample(rng, names, 4))}", names[0], tuple(names[1:]))


def northernmost(rng: np.random.Generator) -> Draft | None:
    """The city furthest north, or south, by a clear distance."""
    four = sorted(sample(rng, cities(), 4), key=lambda city: city.latitude)
    way = choose(rng, ("north", "south"))
    if way == "north":
        four.reverse()
    if abs(four[0].latitude - four[1].latitude) < CLEARLY_FURTHER:
        return None
    names = [city.name for city in four]
    return Draft(
        f"Which of these cities lies furthest {way}: {', '.join(sample(rng, names, 4))}?", names[0], tuple(names[1:])
    )


KINDS = (capital, capital_home, city_home, border, larger, northernmost)
