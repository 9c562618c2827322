"""Task ``calendar``: weekdays, spans of days, leap years, clock times, computed by datetime."""

import datetime

import numpy as np

from dev.quickstart_questions.drafts import Draft, choose, numeric, sample, three_first, three_of, whole

Date = datetime.date
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def day(rng: np.random.Generator, first_year: int = 1901, last_year: int = 2099) -> Date:
    """A date of the Gregorian calendar."""
    return Date(whole(rng, first_year, last_year), 1, 1) + datetime.timedelta(days=whole(rng, 0, 364))


def show(date: Date, year: bool = True) -> str:
    """12 March 2021."""
    return f"{date.day} {MONTHS[date.month - 1]}" + (f" {date.year}" if year else "")


def is_leap(year: int) -> bool:
    """The Gregorian rule."""
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def weekday(rng: np.random.Generator) -> Draft:
    """The weekday of a date."""
    date = day(rng)
    answer = WEEKDAYS[date.weekday()]
    wording = choose(rng, ("On which day of the week does {} fall?", "What weekday is {} in the Gregorian calendar?"))
    return Draft(wording.format(show(date)), answer, three_of(rng, answer, WEEKDAYS))


def weekday_after(rng: np.random.Generator) -> Draft:
    """The weekday some days on; one day off as distractors."""
    start, days = whole(rng, 0, 6), whole(rng, 8, 400)
    back = choose(rng, (True, False))
    target = (start - days if back else start + days) % 7
    wording = (
        "Today is {}. Which day of the week was it {} days ago?"
        if back
        else "Today is {}. Which day of the week will it be in {} days?"
    )
    wrong = [WEEKDAYS[(target + 1) % 7], WEEKDAYS[(target - 1) % 7], WEEKDAYS[start], WEEKDAYS[(target + 3) % 7]]
    return Draft(wording.format(WEEKDAYS[start], days), WEEKDAYS[target], three_first(WEEKDAYS[target], wrong))


def days_between(rng: np.random.Generator) -> Draft:
    """Days from one date to another; off by one, by a month's length as distractors."""
    first = day(rng)
    second = first + datetime.timedelta(days=whole(rng, 20, 300))
    span = (second - first).days
    wording = choose(rng, ("How many days after {} is {}?", "How many days pass from {} to {}?"))
    return numeric(
        rng,
        wording.format(show(first), show(second)),
        span,
        sample(rng, [span + 1, span - 1, span + 2, span - 2, span + 30, span - 31 if span > 31 else span + 31], 3),
    )


def date_after(rng: np.random.Generator) -> Draft:
    """The date some days on; one or two days off as distractors."""
    first = day(rng)
    days = whole(rng, 15, 200)
    answer = first + datetime.timedelta(days=days)
    wrong = [show(answer + datetime.timedelta(days=shift)) for shift in (1, -1, 2, -2, 10, -10)]
    wording = choose(
        rng, ("Which date is {1} days after {0}?", "A parcel sent on {0} arrives {1} days later. On which date?")
    )
    return Draft(wording.format(show(first), days), show(answer), three_of(rng, show(answer), wrong))


def leap_year(rng: np.random.Generator) -> Draft:
    """A leap year among years that are none; whole centuries among them."""
    leap = choose(rng, [year for year in range(1600, 2401) if is_leap(year)])
    years = [
        year
        for year in (1700, 1800, 1900, 2100, 2200, 2300, *(leap + shift for shift in (-10, -6, -2, -1, 1, 2, 6, 10)))
        if not is_leap(year)
    ]
    wording = choose(
        rng,
        (
            "Which of these years is a leap year in the Gregorian calendar?",
            "In which of these years does February have 29 days?",
            "Which of these years has 366 days?",
        ),
    )
    wrong = three_of(rng, str(leap), [str(year) for year in years])
    return Draft(f"{wording} {', '.join(sorted((str(leap), *wrong)))}", str(leap), wrong)


def month_length(rng: np.random.Generator) -> Draft:
    """The number of days in two consecutive months of a given year."""
    year, month = whole(rng, 1950, 2050), whole(rng, 1, 11)
    end = Date(year + (month + 2 > 12), (month + 2 - 1) % 12 + 1, 1)
    span = (end - Date(year, month, 1)).days
    question = f"How many days do {MONTHS[month - 1]} and {MONTHS[month]} {year} have together?"
    return Draft(question, str(span), three_of(rng, str(span), [str(number) for number in range(58, 64)]))


def clock(rng: np.random.Generator) -> Draft:
    """A time some hours and minutes on; a forgotten carry as distractors."""
    start, span = whole(rng, 0, 1439), whole(rng, 65, 1380)
    answer = (start + span) % 1440
    wrong = [(answer + shift) % 1440 for shift in (60, -60, 10, -10, 40, -40)]
    text = [f"{minute // 60:02d}:{minute % 60:02d}" for minute in (answer, *wrong)]
    wording = choose(
        rng,
        (
            "A train leaves at {} and travels for {} hours and {} minutes. What time does the clock show on arrival?",
            "A film starts at {} and, with breaks, lasts {} hours and {} minutes. At what time does it end?",
        ),
    )
    return Draft(
        wording.format(f"{start // 60:02d}:{start % 60:02d}", span // 60, span % 60),
        text[0],
        three_of(rng, text[0], text[1:]),
    )


def day_of_year(rng: np.random.Generator) -> Draft:
    """The number of a day within its year."""
    date = day(rng, 1990, 2050)
    number = date.timetuple().tm_yday
    question = f"If 1 January is day 1 of the year, what number is {show(date)}?"
    return numeric(rng, question, number, sample(rng, [number - 1, number + 1, number + 2, number - 2, number + 30], 3))


KINDS = (weekday, weekday_after, days_between, date_after, leap_year, month_length, clock, day_of_year)
