"""Task ``chemistry``: symbols, atomic numbers, masses, ions and compounds, from periodictable."""

import re
from functools import cache

import numpy as np

from dev.quickstart_questions.drafts import Draft, choose, name_list, numeric, sample, three_of, whole

NOBLE_GASES = (2, 10, 18, 36, 54, 86)
COMPOUNDS = (
    "H2O", "CO2", "NH3", "CH4", "NaCl", "HCl", "H2SO4", "HNO3", "CaCO3", "NaOH", "C6H12O6", "C2H5OH", "C2H6O", "C6H6", "Fe2O3", "Al2O3",
    "SiO2", "SO2", "SO3", "NO2", "N2O", "H2O2", "KMnO4", "MgO", "CaO", "KCl", "Na2CO3", "CuSO4", "AgNO3", "C3H8", "C4H10", "C8H18", "PCl5",
    "H3PO4", "TiO2", "ZnO", "KBr", "LiF", "BaSO4", "Na2SO4", "NH4NO3", "CH3OH", "C2H4", "C2H2", "CS2", "P2O5", "MgCl2", "CaF2", "Fe3O4",
)  # fmt: skip


@cache
def elements() -> dict[int, tuple[str, str]]:
    """Symbol and name by atomic number, 1 to 103."""
    import periodictable

    return {
        number: (periodictable.elements[number].symbol, periodictable.elements[number].name) for number in range(1, 104)
    }


def period(number: int) -> int:
    """The row of the periodic table."""
    return 1 + sum(number > gas for gas in NOBLE_GASES)


@cache
def mass(formula: str) -> float:
    """Molar mass in g/mol."""
    import periodictable

    return float(periodictable.formula(formula).mass)


def atoms(formula: str) -> dict[str, int]:
    """Atoms by symbol of a formula without brackets."""
    counts: dict[str, int] = {}
    for symbol, number in re.findall(r"([A-Z][a-z]?)(\d*)", formula):
        counts[symbol] = counts.get(symbol, 0) + int(number or 1)
    return counts


def symbol_of(rng: np.random.Generator) -> Draft:
    """Name to symbol; symbols with the same first letter, then invented ones."""
    number = choose(rng, sorted(elements()))
    symbol, name = elements()[number]
    spelt = [name[0].upper() + letter for letter in dict.fromkeys(name[1:])]
    others = [other for other, _ in elements().values() if other[0] in (symbol[0], name[0].upper())]
    wording = choose(rng, ("What is the chemical symbol of {}?", "How do chemists abbreviate the element {}?"))
    return Draft(wording.format(name), symbol, three_of(rng, symbol, spelt + others))


def name_of(rng: np.random.Generator) -> Draft:
    """Symbol to name; names with the same first letter first."""
    number = choose(rng, sorted(elements()))
    symbol, name = elements()[number]
    alike = [other for _, other in elements().values() if other[0] in (symbol[0].lower(), name[0]) and other != name]
    near = [elements()[place][1] for place in range(max(1, number - 4), min(103, number + 4) + 1)]
    wording = choose(rng, ("Which element has the symbol {}?", "In a formula, {} stands for which element?"))
    return Draft(wording.format(symbol), name, three_of(rng, name, alike if len(alike) >= 3 else near))


def atomic_number(rng: np.random.Generator) -> Draft:
    """Name to atomic number."""
    number = whole(rng, 1, 103)
    wording = choose(rng, ("What is the atomic number of {}?", "How many protons does an atom of {} have?"))
    return numeric(rng, wording.format(elements()[number][1]), number, [], spread=(1, 2, 3, 4, 8, 10))


def element_with(rng: np.random.Generator) -> Draft:
    """Atomic number to name."""
    number = whole(rng, 1, 103)
    near = [elements()[place][1] for place in range(max(1, number - 6), min(103, number + 6) + 1)]
    wording = choose(rng, ("Which element has atomic number {}?", "An atom has {} protons. Which element is it?"))
    return Draft(wording.format(number), elements()[number][1], three_of(rng, elements()[number][1], near))


def neutrons(rng: np.random.Generator) -> Draft:
    """Neutrons of an isotope; the mass number, the atomic number and near values as distractors."""
    number = whole(rng, 6, 92)
    import periodictable

    isotope = choose(
        rng, [weight for weight in periodictable.elements[number].isotopes if 2 * number <= weight <= 2.6 * number]
    )
    wording = choose(
        rng,
        ("How many neutrons are in the nucleus of {}-{}?", "How many neutrons does an atom of the isotope {}-{} have?"),
    )
    return numeric(
        rng,
        wording.format(elements()[number][1], isotope),
        isotope - number,
        sample(rng, [isotope, number, isotope - number + 1], 3),
    )


def molar_mass(rng: np.random.Generator) -> Draft:
    """Molar mass of a compound; one atom forgotten or counted twice as distractors."""
    formula = choose(rng, COMPOUNDS)
    answer = mass(formula)
    slips = [answer + sign * mass(symbol) for symbol in atoms(formula) for sign in (1, -1)]
    wording = choose(
        rng,
        (
            "What is the molar mass of {} in g/mol, to the nearest whole number?",
            "How many grams does one mole of {} weigh, rounded to a whole number?",
        ),
    )
    return numeric(
        rng,
        wording.format(formula),
        round(answer),
        [round(slip) for slip in sample(rng, slips, len(slips)) if slip > 0],
        spread=(2, 4, 7, 10),
    )


def atom_count(rng: np.random.Generator) -> Draft:
    """Atoms in some molecules."""
    formula = choose(rng, COMPOUNDS)
    molecules = whole(rng, 2, 9)
    total = sum(atoms(formula).values())
    wording = choose(
        rng,
        ("How many atoms are in {} formula units of {}?", "{} formula units of {} contain how many atoms altogether?"),
    )
    return numeric(
        rng,
        wording.format(molecules, formula),
        molecules * total,
        [total, molecules * len(atoms(formula)), molecules * (total - 1)],
    )


def row(rng: np.random.Generator) -> Draft:
    """An element of a row of the periodic table."""
    number = whole(rng, 3, 88)
    near = [
        elements()[place][1]
        for place in range(max(1, number - 30), min(103, number + 30) + 1)
        if period(place) != period(number)
    ]
    name = elements()[number][1]
    distractors = three_of(rng, name, near)
    shown = name_list(sample(rng, (name, *distractors), 4))
    wording = choose(
        rng,
        (
            "Which of {1} is in period {0} of the periodic table?",
            "Row {0} of the periodic table contains one of {1}. Which?",
        ),
    )
    return Draft(wording.format(period(number), shown), name, distractors)


KINDS = (symbol_of, name_of, atomic_number, element_with, neutrons, molar_mass, atom_count, row)
