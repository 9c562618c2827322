"""Task ``vocabulary``: weekdays, months and countries in languages of Latin script, from CLDR."""

from functools import cache

import numpy as np

from rgd.datasets.quickstart.drafts import Draft, choose, three_of

# One of each group of languages that share most words (so no two answers can both be right).
LANGUAGES = {
    "de": "German", "nl": "Dutch", "sv": "Swedish", "da": "Danish", "is": "Icelandic", "fr": "French", "it": "Italian", "es": "Spanish",
    "pt": "Portuguese", "ro": "Romanian", "ca": "Catalan", "pl": "Polish", "cs": "Czech", "hr": "Croatian", "sl": "Slovenian",
    "lt": "Lithuanian", "lv": "Latvian", "et": "Estonian", "fi": "Finnish", "hu": "Hungarian", "tr": "Turkish", "id": "Indonesian",
    "vi": "Vietnamese", "sw": "Swahili", "cy": "Welsh", "ga": "Irish", "eu": "Basque", "sq": "Albanian", "af": "Afrikaans",
}  # fmt: skip
PLACES = (
    "DE", "AT", "FR", "ES", "IT", "GB", "GR", "PL", "HU", "FI", "SE", "NO", "DK", "NL", "CH", "HR", "CZ", "EE", "LV", "LT", "RU", "TR",
    "EG", "CN", "JP", "IN", "US", "DZ", "MA", "KR", "NZ", "ZA", "IS", "IE", "BE", "GE", "AM", "SY", "LB",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip


@cache
def words() -> dict[str, dict[str, str]]:
    """English word to the word of each language, spelt as CLDR does within a sentence."""
    from babel import Locale

    table: dict[str, dict[str, str]] = {}
    english = Locale("en")
    for code in sorted(LANGUAGES):
        locale = Locale(code)
        # CLDR's stand-alone forms are the dictionary ones (nominative where a language has cases).
        for number, name in enumerate(WEEKDAYS):
            table.setdefault(name, {})[code] = locale.days["stand-alone"]["wide"][number]
        for number, name in enumerate(MONTHS, start=1):
            table.setdefault(name, {})[code] = locale.months["stand-alone"]["wide"][number]
        for place in PLACES:
            table.setdefault(str(english.territories[place]), {})[code] = str(locale.territories[place])
    return table


def _own(word: str, code: str) -> bool:
    """Whether no other language of the list has this word for the same thing."""
    row = words()[word]
    return [text.casefold() for text in row.values()].count(row[code].casefold()) == 1


def _pair(rng: np.random.Generator) -> tuple[str, str] | None:
    word = choose(rng, sorted(words()))
    code = choose(rng, sorted(LANGUAGES))
    if not _own(word, code) or words()[word][code].casefold() == word.casefold():
        return None
    return word, code


def language_of(rng: np.random.Generator) -> Draft | None:
    """Which language has this word."""
    pair = _pair(rng)
    if pair is None:
        return None
    word, code = pair
    others = [name for other, name in LANGUAGES.items() if other != code]
    wording = choose(
        rng,
        (
            'In which language does "{}" mean "{}"?',
            'A text uses the word "{}" for {}. Which language is it written in?',
        ),
    )
    return Draft(wording.format(words()[word][code], word), LANGUAGES[code], three_of(rng, LANGUAGES[code], others))


def translate(rng: np.random.Generator) -> Draft | None:
    """An English word into a language; the words of other languages as distractors."""
    pair = _pair(rng)
    if pair is None:
        return None
    word, code = pair
    answer = words()[word][code]
    others = sorted(
        {text for text in words()[word].values() if text.casefold() not in (answer.casefold(), word.casefold())}
    )
    wording = choose(rng, ('What is the {} word for "{}"?', 'How do you say "{1}" in {0}?'))
    return Draft(wording.format(LANGUAGES[code], word), answer, three_of(rng, answer, others))


def meaning(rng: np.random.Generator) -> Draft | None:
    """A foreign word into English; words of the same sort as distractors."""
    pair = _pair(rng)
    if pair is None:
        return None
    word, code = pair
    sort = next(
        group
        for group in (WEEKDAYS, MONTHS, tuple(name for name in sorted(words()) if name not in WEEKDAYS + MONTHS))
        if word in group
    )
    wording = choose(rng, ('What does the {} word "{}" mean in English?', 'Translate from {} into English: "{}".'))
    return Draft(wording.format(LANGUAGES[code], words()[word][code]), word, three_of(rng, word, sort))


KINDS = (language_of, translate, meaning)
