"""Task ``units``: conversions of lengths, masses, volumes, times, speeds, temperatures, data, computed by pint."""

from functools import cache
from typing import Any

import numpy as np

from rgd.datasets.quickstart.drafts import Draft, choose, name_list, sample, three_of, whole

GROUPS = {
    "length": ("inch", "foot", "yard", "mile", "millimeter", "centimeter", "meter", "kilometer", "nautical_mile"),
    "mass": ("ounce", "pound", "gram", "kilogram", "milligram", "metric_ton"),
    "volume": ("milliliter", "liter", "cubic_meter", "cubic_centimeter"),
    "time": ("second", "minute", "hour", "day", "week", "millisecond"),
    "area": ("square_meter", "hectare", "square_kilometer", "acre", "square_foot"),
    "speed": ("kilometer_per_hour", "meter_per_second", "mile_per_hour", "knot"),
    "energy": ("joule", "kilojoule", "kilowatt_hour", "calorie"),
    "pressure": ("pascal", "kilopascal", "bar", "standard_atmosphere"),
    "data": ("bit", "byte", "kibibyte", "mebibyte", "gibibyte"),
    "angle": ("degree", "radian", "arcminute"),
}
NAMES = {
    "foot": "feet", "inch": "inches", "metric_ton": "metric tons", "kilometer_per_hour": "kilometers per hour",
    "meter_per_second": "meters per second", "mile_per_hour": "miles per hour", "standard_atmosphere": "standard atmospheres",
    "kilopascal": "kilopascals", "calorie": "thermochemical calories",
}  # fmt: skip
DEFINITIONS = {
    "square_meter": "meter**2", "square_kilometer": "kilometer**2", "square_foot": "foot**2", "cubic_meter": "meter**3",
    "cubic_centimeter": "centimeter**3", "kilometer_per_hour": "kilometer/hour", "meter_per_second": "meter/second", "mile_per_hour": "mile/hour",
}  # fmt: skip
AMOUNTS = (
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    12,
    15,
    18,
    20,
    24,
    25,
    30,
    36,
    40,
    45,
    48,
    50,
    60,
    64,
    72,
    75,
    80,
    90,
    96,
    100,
    120,
    150,
    200,
    250,
    360,
    400,
    500,
    750,
)


@cache
def registry() -> Any:
    """pint's units."""
    import pint

    return pint.UnitRegistry()


def plural(unit: str) -> str:
    """The unit's name for more than one."""
    return NAMES.get(unit, unit.replace("_", " ") + "s")


def convert(amount: float, source: str, target: str) -> float:
    """``amount`` of ``source`` in ``target``."""
    quantity = registry().Quantity(amount, DEFINITIONS.get(source, source))
    return float(quantity.to(DEFINITIONS.get(target, target)).magnitude)


def show(value: float) -> str:
    """Whole numbers in full, others with four significant digits."""
    from decimal import Decimal

    if abs(value - round(value)) < 1e-9 * abs(value):
        return str(round(value))
    text = f"{Decimal(f'{value:.4g}'):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def conversion(rng: np.random.Generator) -> Draft | None:
    """An amount into another unit; a power of ten off, the inverse factor, a near value as distractors."""
    source, target = sample(rng, GROUPS[choose(rng, sorted(GROUPS))], 2)
    amount = choose(rng, AMOUNTS)
    value = convert(amount, source, target)
    if not 0.01 <= value <= 1e6:
        return None
    inverse = amount * amount / value
    wrong = [
        value * 10,
        value / 10,
        value * 1.2,
        value * 0.8,
        value * 1.5,
        value / 2,
        *([inverse] if 1e-3 < inverse < 1e7 else []),
    ]
    wording = choose(rng, ("How many {1} are {2} {0}?", "Convert {2} {0} to {1}.", "Express {2} {0} in {1}."))
    text = wording.format(plural(source), plural(target), amount)
    if abs(float(show(value)) - value) > 1e-9 * value:
        text += " (four significant digits)"
    return Draft(text, show(value), three_of(rng, show(value), [show(number) for number in wrong]))


def temperature(rng: np.random.Generator) -> Draft:
    """Celsius, Fahrenheit, Kelvin; forgotten offsets and inverted factors as distractors."""
    celsius = 5 * whole(rng, -8, 60)
    fahrenheit = celsius * 9 // 5 + 32
    if choose(rng, (True, False)):
        wrong = [celsius * 9 // 5, celsius * 2 + 30, fahrenheit + 10, fahrenheit - 8, celsius + 32]
        return Draft(
            f"What is {celsius} degrees Celsius in degrees Fahrenheit?",
            str(fahrenheit),
            three_of(rng, str(fahrenheit), [str(number) for number in wrong]),
        )
    wrong = [fahrenheit - 32, (fahrenheit - 30) // 2, celsius + 5, celsius - 10, celsius + 10]
    return Draft(
        f"What is {fahrenheit} degrees Fahrenheit in degrees Celsius?",
        str(celsius),
        three_of(rng, str(celsius), [str(number) for number in wrong]),
    )


def extreme(rng: np.random.Generator) -> Draft | None:
    """The largest or smallest of four amounts in different units, apart by a clear factor."""
    group = choose(rng, sorted(group for group, units in GROUPS.items() if len(units) >= 4))
    base = GROUPS[group][0]
    chosen = sample(rng, GROUPS[group], 4)
    size = convert(float(rng.uniform(2, 20)), max(chosen, key=lambda unit: convert(1, unit, base)), base)
    four = []
    for unit in chosen:
        amount = size * float(rng.uniform(0.3, 3.0)) / convert(1, unit, base)
        if amount > 1e7:
            return None
        four.append((convert(float(f"{amount:.2g}"), unit, base), f"{show(float(f'{amount:.2g}'))} {plural(unit)}"))
    largest = choose(rng, (True, False))
    four.sort(reverse=largest)
    ratio = four[0][0] / four[1][0] if largest else four[1][0] / four[0][0]
    if ratio < 1.15:
        return None
    noun = {"length": "distance", "time": "duration", "data": "amount of data"}.get(group, group)
    texts = [text for _, text in four]
    return Draft(
        f"Which {noun} is the {'largest' if largest else 'smallest'}: {name_list(sample(rng, texts, 4))}?",
        texts[0],
        tuple(texts[1:]),
    )


def prefix(rng: np.random.Generator) -> Draft:
    """SI prefixes as powers of ten."""
    powers = {
        "pico": -12,
        "nano": -9,
        "micro": -6,
        "milli": -3,
        "centi": -2,
        "deci": -1,
        "hecto": 2,
        "kilo": 3,
        "mega": 6,
        "giga": 9,
        "tera": 12,
        "peta": 15,
    }
    one, two = sample(rng, sorted(powers), 2)
    unit = choose(rng, ("meter", "gram", "watt", "volt", "second", "newton", "hertz", "pascal"))
    power = powers[one] - powers[two]
    wrong = [-power, power + 1, power - 1, power + 3, power - 3, power * 2]
    question = (
        f"By which power of ten do you multiply a value in {one}{unit}s to get {two}{unit}s?"
        if unit != "hertz"
        else f"By which power of ten do you multiply a value in {one}hertz to get {two}hertz?"
    )
    return Draft(question, f"10^{power}", three_of(rng, f"10^{power}", [f"10^{number}" for number in wrong if number]))


KINDS = (conversion, conversion, temperature, extreme, prefix)
