"""Task ``reading``: a short text of invented facts, and a question whose answer stands in it (or is what it rules out)."""

import numpy as np

from rgd.datasets.quickstart.drafts import Draft, choose, name_list, sample, whole
from rgd.datasets.quickstart.logic import NAMES

PLACES = (
    "in the kitchen",
    "on the roof",
    "behind the garage",
    "under the stairs",
    "in the attic",
    "by the pond",
    "near the gate",
    "in the cellar",
)
OBJECTS = (
    "the old lamp",
    "a silver key",
    "the blue kite",
    "a wooden flute",
    "the torn map",
    "a glass bowl",
    "the yellow scarf",
    "a rusty saw",
)
JOBS = ("a baker", "a pilot", "a dentist", "a plumber", "a violinist", "a lawyer", "a gardener", "a librarian")
TOWNS = ("Port Alden", "Millbrook", "Greyhaven", "Eastwick", "Ravenna Falls", "Coldwater", "Summerton", "Oakridge")


def where(rng: np.random.Generator) -> Draft:
    """Where a thing is after someone has moved it."""
    people, objects, places = sample(rng, NAMES, 3), sample(rng, OBJECTS, 3), sample(rng, PLACES, 4)
    told = [f"{person} put {thing} {place}." for person, thing, place in zip(people, objects, places, strict=False)]
    moved = whole(rng, 0, 2)
    pronoun = objects[moved].replace("a ", "the ", 1) if objects[moved].startswith("a ") else objects[moved]
    text = f"{' '.join(told)} Later {people[(moved + 1) % 3]} moved {pronoun} and left it {places[3]}."
    return Draft(f"{text} Where is {pronoun} now?", places[3], tuple(places[:3]))


def where_before(rng: np.random.Generator) -> Draft:
    """Where a thing was before it was moved."""
    people, objects, places = sample(rng, NAMES, 3), sample(rng, OBJECTS, 3), sample(rng, PLACES, 4)
    told = [f"{person} put {thing} {place}." for person, thing, place in zip(people, objects, places, strict=False)]
    moved = whole(rng, 0, 2)
    pronoun = objects[moved].replace("a ", "the ", 1) if objects[moved].startswith("a ") else objects[moved]
    text = f"{' '.join(told)} Later {people[(moved + 1) % 3]} moved {pronoun} and left it {places[3]}."
    return Draft(
        f"{text} Where was {pronoun} before it was moved?",
        places[moved],
        tuple(place for place in places if place != places[moved]),
    )


def who(rng: np.random.Generator) -> Draft:
    """Who has a job, lives in a town, or does neither of what the others do."""
    people, jobs, towns = sample(rng, NAMES, 4), sample(rng, JOBS, 4), sample(rng, TOWNS, 4)
    told = [f"{person} is {job} and lives in {town}." for person, job, town in zip(people, jobs, towns, strict=True)]
    place = whole(rng, 0, 3)
    question, options = choose(
        rng,
        (
            (f"Who lives in {towns[place]}?", people),
            (f"Who is {jobs[place]}?", people),
            (f"Where does the person who is {jobs[place]} live?", [f"in {town}" for town in towns]),
            (f"What is the job of the person from {towns[place]}?", jobs),
        ),
    )
    return Draft(
        f"{' '.join(told)} {question}", options[place], tuple(option for option in options if option != options[place])
    )


def absent(rng: np.random.Generator) -> Draft:
    """Who was not there."""
    people = sample(rng, NAMES, 4)
    place = whole(rng, 0, 3)
    came = [person for person in people if person != people[place]]
    event = choose(rng, ("the concert", "the meeting", "the picnic", "the lecture", "the match"))
    text = f"{name_list(people)} were invited to {event}. In the end {name_list(sample(rng, came, 3))} came."
    return Draft(f"{text} Who stayed away from {event}?", people[place], tuple(came))


def nobody(rng: np.random.Generator) -> Draft:
    """The thing that the text does not mention."""
    things = sample(rng, OBJECTS, 4)
    text = f"{choose(rng, NAMES)} opened the box and found {name_list(things[:3])}."
    return Draft(f"{text} Which of these things was not in the box?", things[3], tuple(things[:3]))


def because(rng: np.random.Generator) -> Draft:
    """The second cheapest, or the cheapest, of a list of prices."""
    shops, prices = sample(rng, TOWNS, 4), sample(rng, range(11, 60), 4)
    text = " ".join(f"In {shop} a ticket costs {price} euros." for shop, price in zip(shops, prices, strict=True))
    what, rank = choose(rng, (("least", 0), ("most", 3)))
    answer = sorted(zip(prices, shops, strict=True))[rank][1]
    return Draft(
        f"{text} Where does a ticket cost the {what}?",
        f"in {answer}",
        tuple(f"in {shop}" for shop in shops if shop != answer),
    )


KINDS = (where, where_before, who, absent, nobody, because)
